//! Curves and tables of what studies have measured, for `docs/performance.md`.

mod chart;
mod data;
mod scale;
mod tables;

use std::fs;
use std::path::Path;

use crate::Result;
use data::Data;

/// What is made of the file of a study.
struct Report {
    study: &'static str,
    /// Markdown, in place of what is between the marks in the document.
    text: fn(&Data) -> Result<String>,
    pictures: fn(&Data) -> Result<Pictures>,
}

/// Names and contents.
type Pictures = Vec<(String, String)>;

const REPORTS: &[Report] = &[
    Report { study: "scale", text: scale::text, pictures: scale::pictures },
    Report { study: "workers", text: tables::workers, pictures: none },
    Report { study: "latency", text: tables::latency, pictures: none },
    Report { study: "burst", text: tables::burst, pictures: none },
    Report { study: "memory", text: tables::memory, pictures: none },
];

fn none(_: &Data) -> Result<Pictures> {
    Ok(Vec::new())
}

/// Draws what lies in `directory`, and puts the tables into the document.
pub fn run(directory: &Path, document: &Path) -> Result<()> {
    let mut text = read(document)?;
    for report in REPORTS {
        let path = directory.join(format!("{}.csv", report.study));
        if !path.exists() {
            continue;
        }
        let told = |why| format!("{}: {why}", path.display());
        let data = Data::parse(&read(&path)?).map_err(told)?;
        for (name, picture) in (report.pictures)(&data).map_err(told)? {
            write(&directory.join(name), &picture)?;
        }
        let section = format!("{}\n{}\n", (report.text)(&data).map_err(told)?, data.about);
        text = replace(&text, report.study, &section).map_err(|why| format!("{}: {why}", document.display()))?;
    }
    write(document, &text)
}

/// Puts a section between its two marks.
fn replace(text: &str, name: &str, section: &str) -> Result<String> {
    let [begin, end] = [format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->")];
    let parts = text.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = parts.ok_or_else(|| format!("the marks of {name} are not there"))?;
    Ok(format!("{before}{begin}\n{section}\n{end}{after}"))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_and_nothing_else() {
        let text = "a\n<!-- x -->\nold\n<!-- end of x -->\nb\n";
        let once = replace(text, "x", "new\n").unwrap();
        assert_eq!(once, "a\n<!-- x -->\n\nnew\n\n<!-- end of x -->\nb\n");
        assert_eq!(replace(&once, "x", "new\n").unwrap(), once);
        assert!(replace(text, "y", "").is_err());
    }

    #[test]
    fn every_study_is_reported() {
        let reported: Vec<&str> = REPORTS.iter().map(|report| report.study).collect();
        let studies: Vec<&str> = crate::study::STUDIES.iter().map(|study| study.name).collect();
        assert_eq!(reported, studies);
    }
}
