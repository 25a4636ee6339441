//! The figures of a run, as a table in Markdown, for terminals and documents alike.

use crate::scenario::{Figure, Goal, Sample, Scenario};
use crate::Result;

/// What all rounds of one scenario have given, by broker.
pub struct Outcome<'a> {
    pub scenario: &'a Scenario,
    /// In the order of the brokers; each holds its rounds.
    pub rounds: Vec<Vec<Result<Sample>>>,
}

/// The table and, below it, what has to be said about single figures. Ratios are to the first broker; the last one, which
/// is ours, has a column for its own, those between have theirs in parentheses.
pub fn render(brokers: &[&str], outcomes: &[Outcome]) -> String {
    let mut header = vec!["scenario".to_owned(), "unit".to_owned()];
    header.extend(brokers.iter().map(|broker| (*broker).to_owned()));
    let compared = brokers.len() > 1;
    if compared {
        header.push("ratio".to_owned());
    }
    header.extend(["goal".to_owned(), "reached".to_owned()]);
    header.extend(brokers.iter().map(|broker| format!("CPU µs/msg {broker}")));

    let mut rows = vec![header];
    let mut notes = Vec::new();
    for outcome in outcomes {
        for (index, figure) in outcome.scenario.figures.iter().enumerate() {
            // A note stands at the first line of its scenario.
            let marks = match index {
                0 => notes_of(brokers, outcome, &mut notes),
                _ => vec![String::new(); brokers.len()],
            };
            rows.push(row(outcome, figure, &marks, compared, index == 0));
        }
    }
    let mut text = lay_out(&rows, 2);
    if !notes.is_empty() {
        text.push('\n');
        text.push_str(&notes.join("\n"));
        text.push('\n');
    }
    text
}

fn row(outcome: &Outcome, figure: &Figure, marks: &[String], compared: bool, with_cpu: bool) -> Vec<String> {
    let values: Vec<_> = outcome.rounds.iter().map(|rounds| median(rounds, |sample| figure.of(sample))).collect();
    let mut row = vec![figure.title.to_owned(), figure.unit.to_owned()];
    let first = values.first().copied().flatten().filter(|first| *first > 0.0);
    let to_first = |value: f64| first.map(|first| value / first);
    let between = 1..values.len().saturating_sub(1);
    row.extend(values.iter().zip(marks).enumerate().map(|(index, (value, mark))| match value {
        Some(value) => {
            let ratio = to_first(*value).filter(|_| between.contains(&index));
            number(*value) + &ratio.map(|ratio| format!(" ({} ×)", number(ratio))).unwrap_or_default() + mark
        }
        None => format!("failed{mark}"),
    }));
    let ours = values.last().copied().flatten();
    let ratio = ours.and_then(to_first);
    let (goal, reached) = match figure.goal {
        Goal::Times(times) if compared => (format!("≥ {times} ×"), ratio.map(|ratio| ratio >= times)),
        Goal::AtLeast(least) => (format!("≥ {least} {}", figure.unit), ours.map(|ours| ours >= least)),
        Goal::AtMost(most) => (format!("≤ {most} {}", figure.unit), ours.map(|ours| ours <= most)),
        Goal::Times(_) | Goal::None => (String::new(), None),
    };
    if compared {
        row.push(ratio.map(|ratio| number(ratio) + " ×").unwrap_or_default());
    }
    row.push(goal);
    row.push(reached.map(|reached| if reached { "yes" } else { "no" }).unwrap_or_default().to_owned());
    for rounds in &outcome.rounds {
        let cpu = median(rounds, |sample| sample.cpu).filter(|_| with_cpu && outcome.scenario.has_cpu());
        row.push(cpu.map(number).unwrap_or_default());
    }
    row
}

/// Marks by broker, which refer to the lines that are added to `notes`.
fn notes_of(brokers: &[&str], outcome: &Outcome, notes: &mut Vec<String>) -> Vec<String> {
    let mut marks = vec![String::new(); brokers.len()];
    for ((broker, rounds), mark) in brokers.iter().zip(&outcome.rounds).zip(&mut marks) {
        for (round, result) in rounds.iter().enumerate() {
            let texts = match result {
                Ok(sample) => [sample.fault.clone(), sample.remark.clone()],
                Err(why) => [Some(format!("failed: {why}")), None],
            };
            for text in texts.into_iter().flatten() {
                let number = notes.len() + 1;
                notes.push(format!("[{number}] {broker}, {}, round {}: {text}", outcome.scenario.name, round + 1));
                mark.push_str(&format!(" [{number}]"));
            }
        }
    }
    marks
}

fn median(rounds: &[Result<Sample>], of: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
    let mut values: Vec<f64> = rounds.iter().flatten().filter_map(of).collect();
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some((lower + upper) / 2.0)
}

/// Three digits that count.
pub fn number(value: f64) -> String {
    let decimals = match value.abs() {
        large if large >= 100.0 => 0,
        medium if medium >= 10.0 => 1,
        small if small >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// The first row is the header. The first columns, which are texts, stand at the left, figures at the right.
pub fn lay_out(rows: &[Vec<String>], texts: usize) -> String {
    let columns = rows[0].len();
    let widths: Vec<usize> =
        (0..columns).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let left = |column: usize| column < texts;
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        for (column, cell) in row.iter().enumerate() {
            let padding = " ".repeat(widths[column] - cell.chars().count());
            let cell = if left(column) { format!("{cell}{padding}") } else { format!("{padding}{cell}") };
            text.push_str(&format!("| {cell} "));
        }
        text.push_str("|\n");
        if index == 0 {
            for (column, width) in widths.iter().enumerate() {
                let dashes = "-".repeat(width + 1);
                text.push_str(&if left(column) { format!("|{dashes}-") } else { format!("|{dashes}:") });
            }
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::SCENARIOS;

    fn sample(rate: f64) -> Result<Sample> {
        Ok(Sample { values: vec![rate], cpu: Some(2.0), ..Sample::default() })
    }

    #[test]
    fn medians_ratios_and_notes() {
        let mut lossy = sample(3_000.0);
        lossy.as_mut().unwrap().fault = Some("5 of 9 messages were lost".to_owned());
        let rounds = vec![
            vec![sample(90.0), sample(110.0), sample(100.0)],
            vec![Err("it crashed".to_owned()), sample(4_000.0), lossy],
        ];
        let text = render(&["peer", "ours"], &[Outcome { scenario: &SCENARIOS[0], rounds }]);
        let row = text.lines().nth(2).unwrap();
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(
            cells[1..10],
            ["QoS 0, 1→1", "k msg/s", "100", "3500 [1] [2]", "35.0 ×", "≥ 30 ×", "yes", "2.00", "2.00"]
        );
        assert!(text.contains("[1] ours, qos0, round 1: failed: it crashed\n"));
        assert!(text.contains("[2] ours, qos0, round 3: 5 of 9 messages were lost\n"));
    }

    #[test]
    fn a_third_broker_has_its_ratio_in_its_own_column() {
        let rounds = vec![vec![sample(100.0)], vec![sample(250.0)], vec![sample(4_000.0)]];
        let text = render(&["peer", "other", "ours"], &[Outcome { scenario: &SCENARIOS[0], rounds }]);
        let cells: Vec<&str> = text.lines().nth(2).unwrap().split('|').map(str::trim).collect();
        assert_eq!(cells[3..8], ["100", "250 (2.50 ×)", "4000", "40.0 ×", "≥ 30 ×"]);
    }

    #[test]
    fn without_a_figure_there_is_no_ratio() {
        let rounds = vec![vec![sample(90.0)], vec![Err("it crashed".to_owned())]];
        let text = render(&["peer", "ours"], &[Outcome { scenario: &SCENARIOS[0], rounds }]);
        let cells: Vec<&str> = text.lines().nth(2).unwrap().split('|').map(str::trim).collect();
        assert_eq!(cells[3..8], ["90.0", "failed [1]", "", "≥ 30 ×", ""]);
    }
}
