//! The file of a study: a line about the run, a header, and rows without quotation marks.

use crate::Result;

pub struct Data {
    /// What was measured, and on what.
    pub about: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Data {
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines();
        let about = lines.next().and_then(|line| line.strip_prefix("# ")).ok_or("it does not begin with a comment")?;
        let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
        let columns = cells(lines.next().ok_or("it has no header")?);
        let rows: Vec<_> = lines.map(cells).collect();
        match rows.iter().find(|row| row.len() != columns.len()) {
            Some(row) => Err(format!("a row has {} cells: {row:?}", row.len())),
            None => Ok(Self { about: about.to_owned(), columns, rows }),
        }
    }

    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|cells| Row { columns: &self.columns, cells })
    }

    /// What stands in a column, each once, in order.
    pub fn distinct(&self, column: &str) -> Result<Vec<&str>> {
        let mut found = Vec::new();
        for row in self.rows() {
            let text = row.text(column)?;
            if !found.contains(&text) {
                found.push(text);
            }
        }
        Ok(found)
    }

    /// The row that has these in these columns.
    pub fn find(&self, wanted: &[(&str, &str)]) -> Result<Row<'_>> {
        let matches = |row: &Row| wanted.iter().all(|(column, text)| row.text(column) == Ok(*text));
        self.rows().find(matches).ok_or_else(|| format!("there is no row with {wanted:?}"))
    }
}

pub struct Row<'a> {
    columns: &'a [String],
    cells: &'a [String],
}

impl<'a> Row<'a> {
    pub fn text(&self, column: &str) -> Result<&'a str> {
        let index = self.columns.iter().position(|name| name == column);
        index.map(|index| self.cells[index].as_str()).ok_or_else(|| format!("there is no column {column}"))
    }

    pub fn number(&self, column: &str) -> Result<f64> {
        let text = self.text(column)?;
        text.parse().map_err(|_| format!("{column} is no number: {text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_what_they_hold() {
        let data = Data::parse("# about\na,b,c\nx,1,2\nx,2,3\ny,1,4\n").unwrap();
        assert_eq!(data.distinct("a"), Ok(vec!["x", "y"]));
        let row = data.find(&[("a", "x"), ("b", "2")]).unwrap();
        assert_eq!(row.number("c"), Ok(3.0));
        assert!(row.number("a").is_err() && row.text("d").is_err());
        assert!(data.find(&[("a", "z")]).is_err());
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        for text in ["", "a,b\n", "# about\n", "# about\na,b\n1\n"] {
            assert!(Data::parse(text).is_err(), "{text:?}");
        }
    }
}
