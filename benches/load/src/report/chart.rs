//! Curves as SVG: a logarithmic scale across, a linear one from 0 upwards.

use std::fmt::Write;

pub struct Chart<'a> {
    pub title: &'a str,
    /// What the scales count.
    pub across: &'a str,
    pub upwards: &'a str,
    pub series: Vec<Series>,
}

pub struct Series {
    pub name: String,
    /// Above 0 across, in order.
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 64.0;
/// Holds the names of the curves, beside their ends.
const RIGHT: f64 = 110.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 48.0;

/// Distinguishable without red and green.
const COLORS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

/// The least distance of two names.
const LINE: f64 = 16.0;

impl Chart<'_> {
    pub fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let decades = |of: fn(f64, f64) -> f64| points().map(|point| point.0.log10()).reduce(of).unwrap_or_default();
        let (first, last) = (decades(f64::min).floor(), decades(f64::max).ceil());
        let step = step(points().map(|point| point.1).fold(0.0, f64::max));
        let steps = (points().map(|point| point.1).fold(0.0, f64::max) / step).ceil().max(1.0);
        let x = |value: f64| LEFT + (value.log10() - first) / (last - first).max(1.0) * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - value / (step * steps) * (HEIGHT - TOP - BOTTOM);

        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
             height=\"{HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
        );
        text(
            &mut svg,
            16.0,
            22.0,
            "start",
            &format!("<tspan font-size=\"14\" font-weight=\"bold\">{}</tspan>", self.title),
        );
        text(&mut svg, 16.0, 42.0, "start", self.upwards);
        text(&mut svg, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 10.0, "middle", self.across);
        for index in 0..=steps as u32 {
            let value = step * f64::from(index);
            line(&mut svg, (LEFT, y(value)), (WIDTH - RIGHT, y(value)));
            text(&mut svg, LEFT - 8.0, y(value) + 4.0, "end", &grouped(value));
        }
        for decade in first as i32..=last as i32 {
            let value = 10f64.powi(decade);
            line(&mut svg, (x(value), y(0.0)), (x(value), y(0.0) + 4.0));
            text(&mut svg, x(value), y(0.0) + 18.0, "middle", &grouped(value));
        }
        for (series, color) in self.series.iter().zip(COLORS.iter().cycle()) {
            let at: Vec<String> =
                series.points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
            let _ = writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>",
                at.join(" ")
            );
            for point in &series.points {
                let (x, y) = (x(point.0), y(point.1));
                let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{color}\"/>");
            }
        }
        for (index, at) in self.names_at(y).into_iter().enumerate() {
            let color = COLORS[index % COLORS.len()];
            let name = format!("<tspan fill=\"{color}\">{}</tspan>", self.series[index].name);
            text(&mut svg, WIDTH - RIGHT + 10.0, at + 4.0, "start", &name);
        }
        svg + "</svg>\n"
    }

    /// Where the names of the curves stand: at their ends, or below another name that would be too near.
    fn names_at(&self, y: impl Fn(f64) -> f64) -> Vec<f64> {
        let end = |series: &Series| series.points.last().map_or(HEIGHT - BOTTOM, |point| y(point.1));
        let mut at: Vec<f64> = self.series.iter().map(end).collect();
        let mut order: Vec<usize> = (0..at.len()).collect();
        order.sort_by(|a, b| at[*a].total_cmp(&at[*b]));
        for pair in order.windows(2) {
            at[pair[1]] = at[pair[1]].max(at[pair[0]] + LINE);
        }
        at
    }
}

/// 1, 2 or 5 times a power of ten, so that some five of them reach `most`.
fn step(most: f64) -> f64 {
    let least = (most / 5.0).max(f64::MIN_POSITIVE);
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power).find(|step| *step >= least * 0.999).unwrap_or(power)
}

/// As `docs` writes numbers.
pub fn grouped(value: f64) -> String {
    if value < 1_000.0 {
        return format!("{value}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push('\u{a0}');
        }
        text.push(digit);
    }
    text
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#ddd\"/>",
        from.0, from.1, to.0, to.1
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(ends: [f64; 2]) -> Chart<'static> {
        let series = |(index, end): (usize, f64)| Series {
            name: format!("curve {index}"),
            points: vec![(1.0, 100.0), (1_000.0, end)],
        };
        let series = ends.into_iter().enumerate().map(series).collect();
        Chart { title: "title", across: "across", upwards: "upwards", series }
    }

    #[test]
    fn a_curve_goes_from_edge_to_edge() {
        let svg = chart([200.0, 500.0]).svg();
        assert!(svg.contains("points=\"64.0,228.8 530.0,185.6\""), "{svg}");
        assert!(svg.contains("points=\"64.0,228.8 530.0,56.0\""), "{svg}");
        for text in [">title<", ">across<", ">upwards<", ">curve 1<", ">500<", ">1\u{a0}000<"] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn names_do_not_cover_each_other() {
        assert_eq!(chart([200.0, 201.0]).names_at(|value| 300.0 - value), [115.0, 99.0]);
        assert_eq!(chart([200.0, 100.0]).names_at(|value| 300.0 - value), [100.0, 200.0]);
    }

    #[test]
    fn steps_are_round() {
        for (most, expected) in [(500.0, 100.0), (510.0, 200.0), (0.9, 0.2), (3_000.0, 1_000.0)] {
            assert!((step(most) / expected - 1.0).abs() < 1e-9, "{most}: {}", step(most));
        }
        assert_eq!(grouped(1_000_000.0), "1\u{a0}000\u{a0}000");
        assert_eq!(grouped(1_000.0), "1\u{a0}000");
        assert_eq!(grouped(0.5), "0.5");
    }
}
