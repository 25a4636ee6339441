//! What messages cost as something grows.

use super::chart::{grouped, Chart, Series};
use super::data::Data;
use super::Pictures;
use crate::table;
use crate::Result;

/// Curves that share a picture, of which each is called after what grows and, behind a blank, how.
struct Picture {
    grows: &'static str,
    title: &'static str,
    across: &'static str,
}

const PICTURES: &[Picture] = &[
    Picture {
        grows: "subscriptions",
        title: "Subscriptions that do not match",
        across: "subscriptions of other clients",
    },
    Picture { grows: "topics", title: "Topics", across: "topics that are published to in turn" },
    Picture { grows: "receivers", title: "Receivers", across: "receivers of each message" },
    Picture { grows: "connections", title: "Connections", across: "connected clients" },
];

const UPWARDS: &str = "processor time of the broker for each delivered message, ns";

pub fn pictures(data: &Data) -> Result<Pictures> {
    let draw = |picture: &Picture| {
        let of_picture = |curve: &&str| curve.split(' ').next() == Some(picture.grows);
        let curves = data.distinct("curve")?.into_iter().filter(of_picture);
        let series = curves.map(|curve| {
            let name = curve.split_once(' ').map_or(curve, |(_, how)| how).to_owned();
            Ok(Series { name, points: points(data, curve)? })
        });
        let series = series.collect::<Result<_>>()?;
        let chart = Chart { title: picture.title, across: picture.across, upwards: UPWARDS, series };
        Ok((format!("{}.svg", picture.grows), chart.svg()))
    };
    PICTURES.iter().map(draw).collect()
}

/// The pictures, and what they show as a table.
pub fn text(data: &Data) -> Result<String> {
    let mut sizes: Vec<f64> = data.rows().map(|row| row.number("x")).collect::<Result<_>>()?;
    sizes.sort_unstable_by(f64::total_cmp);
    sizes.dedup();
    let header = std::iter::once("ns for each message".to_owned()).chain(sizes.iter().map(|size| grouped(*size)));
    let mut rows = vec![header.collect::<Vec<_>>()];
    for curve in data.distinct("curve")? {
        let points = points(data, curve)?;
        let cell = |size: &f64| {
            let found = points.iter().find(|point| point.0 == *size);
            found.map(|point| format!("{:.0}", point.1)).unwrap_or_default()
        };
        rows.push(std::iter::once(curve.to_owned()).chain(sizes.iter().map(cell)).collect());
    }
    let image = |picture: &Picture| format!("![{}](performance/{}.svg)\n", picture.title, picture.grows);
    Ok(format!("{}\n{}", PICTURES.iter().map(image).collect::<String>(), table::lay_out(&rows, 1)))
}

fn points(data: &Data, curve: &str) -> Result<Vec<(f64, f64)>> {
    let rows = data.rows().filter(|row| row.text("curve") == Ok(curve));
    rows.map(|row| Ok((row.number("x")?, row.number("cpu_ns")?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_drawn_and_tabled() {
        let file = "# a\ncurve,x,cpu_ns\nreceivers QoS 0,1,300\nreceivers QoS 0,10,200\nreceivers QoS 1,1,500\n";
        let data = Data::parse(file).unwrap();
        let pictures = pictures(&data).unwrap();
        let receivers = &pictures.iter().find(|(name, _)| name == "receivers.svg").unwrap().1;
        assert!(receivers.contains(">QoS 0<") && receivers.contains(">QoS 1<"), "{receivers}");
        let text = text(&data).unwrap();
        assert!(text.contains("![Receivers](performance/receivers.svg)"), "{text}");
        assert!(text.ends_with("| receivers QoS 1     | 500 |     |\n"), "{text}");
    }
}
