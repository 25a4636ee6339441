//! The tables of the other studies.

use super::chart::grouped;
use super::data::{Data, Row};
use crate::broker::{OURS, PEERS};
use crate::table::{self, number};
use crate::Result;

/// In the order of the columns.
const BROKERS: [&str; 2] = [PEERS[0].name, OURS.name];

pub fn workers(data: &Data) -> Result<String> {
    let mut rows = vec![row(&[
        "messages of 200 clients",
        "1 worker, k msg/s",
        "2 workers, k msg/s",
        "ratio",
        "1 worker, CPU ns/msg",
        "2 workers, CPU ns/msg",
        "ratio if both are always busy",
    ])];
    for work in data.distinct("work")? {
        let of = |workers| data.find(&[("work", work), ("workers", workers)]);
        let (one, two) = (of("1")?, of("2")?);
        let (rates, cpu) =
            ((one.number("k_per_s")?, two.number("k_per_s")?), (one.number("cpu_ns")?, two.number("cpu_ns")?));
        rows.push(vec![
            work.to_owned(),
            number(rates.0),
            number(rates.1),
            number(rates.1 / rates.0) + " ×",
            number(cpu.0),
            number(cpu.1),
            number(2.0 * cpu.0 / cpu.1) + " ×",
        ]);
    }
    Ok(table::lay_out(&rows, 1))
}

pub fn latency(data: &Data) -> Result<String> {
    let mut rows = vec![vec!["rate".to_owned(), "messages a second".to_owned()]];
    for broker in BROKERS {
        rows[0].extend([format!("{broker}: p50 / p99 / p999, ms"), "sent late".to_owned()]);
    }
    for ours in data.rows().filter(|row| row.text("broker") == Ok(OURS.name)) {
        let [qos, of, percent, rate] = ["qos", "of", "percent", "rate"].map(|column| ours.text(column));
        let (qos, of, percent, rate) = (qos?, of?, percent?, rate?);
        let mut cells =
            vec![format!("QoS {qos}, {percent} % of {of}'s maximum"), grouped(rate.parse().unwrap_or_default())];
        for broker in BROKERS {
            let wanted = [("qos", qos), ("of", of), ("percent", percent), ("broker", broker)];
            let row = data.find(&wanted)?;
            cells.push(match row.text("held")? {
                "yes" => quantiles(&row)?,
                _ => format!("cannot: {} k msg/s", number(row.number("k_per_s")?)),
            });
            cells.push(format!("{:.0} %", row.number("late")? * 100.0));
        }
        rows.push(cells);
    }
    Ok(table::lay_out(&rows, 1))
}

pub fn burst(data: &Data) -> Result<String> {
    let mut rows = vec![vec!["receivers".to_owned()]];
    for broker in BROKERS {
        let columns = ["p50 / p99 / p999, ms", "woken late by, p99", "a burst takes"];
        rows[0].extend(columns.map(|column| format!("{broker}: {column}")));
    }
    for receivers in data.distinct("receivers")? {
        let mut cells = vec![if receivers == "0" { "no bursts" } else { receivers }.to_owned()];
        for broker in BROKERS {
            let row = data.find(&[("receivers", receivers), ("broker", broker)])?;
            let burst = if receivers == "0" { String::new() } else { number(row.number("burst_ms")?) };
            cells.extend([quantiles(&row)?, number(row.number("woken_p99_ms")?), burst]);
        }
        rows.push(cells);
    }
    Ok(table::lay_out(&rows, 0))
}

pub fn memory(data: &Data) -> Result<String> {
    let mut rows = vec![row(&["bytes for each", "of so many"])];
    rows[0].extend(BROKERS.map(str::to_owned));
    for what in data.distinct("what")? {
        let of = |broker| data.find(&[("what", what), ("broker", broker)]);
        let mut cells = vec![what.replace(':', ","), grouped(of(OURS.name)?.number("count")?)];
        for broker in BROKERS {
            cells.push(format!("{:.0}", of(broker)?.number("bytes")?));
        }
        rows.push(cells);
    }
    Ok(table::lay_out(&rows, 1))
}

fn quantiles(row: &Row) -> Result<String> {
    let of = |column| row.number(column).map(number);
    Ok(format!("{} / {} / {}", of("p50_ms")?, of("p99_ms")?, of("p999_ms")?))
}

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_row(table: &str) -> Vec<&str> {
        table.lines().last().unwrap().split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect()
    }

    #[test]
    fn two_workers_are_compared_with_one() {
        let data = Data::parse("# a\nwork,workers,k_per_s,cpu_ns\nQoS 0,1,1000,200\nQoS 0,2,1800,220\n").unwrap();
        let table = workers(&data).unwrap();
        assert_eq!(last_row(&table), ["QoS 0", "1000", "1800", "1.80 ×", "200", "220", "1.82 ×"]);
    }

    #[test]
    fn who_cannot_hold_a_rate_is_told() {
        let header = "# a\nqos,of,percent,rate,broker,held,p50_ms,p99_ms,p999_ms,k_per_s,late\n";
        let rows =
            "0,rmqtt-c,80,900000,mosquitto,no,0,0,0,112,0\n0,rmqtt-c,80,900000,rmqtt-c,yes,0.1,0.2,0.3,900,0.02\n";
        let table = latency(&Data::parse(&format!("{header}{rows}")).unwrap()).unwrap();
        let expected = [
            "QoS 0, 80 % of rmqtt-c's maximum",
            "900\u{a0}000",
            "cannot: 112 k msg/s",
            "0 %",
            "0.100 / 0.200 / 0.300",
            "2 %",
        ];
        assert_eq!(last_row(&table), expected);
    }

    #[test]
    fn bursts_are_tabled_by_receivers() {
        let header = "# a\nbroker,receivers,p50_ms,p99_ms,p999_ms,woken_p99_ms,burst_ms,bursts\n";
        let rows = "mosquitto,10,1,2,3,0.5,7,50\nrmqtt-c,10,0.1,0.2,0.3,0.4,0.6,55\n";
        let table = burst(&Data::parse(&format!("{header}{rows}")).unwrap()).unwrap();
        let expected = ["10", "1.00 / 2.00 / 3.00", "0.500", "7.00", "0.100 / 0.200 / 0.300", "0.400", "0.600"];
        assert_eq!(last_row(&table), expected);
    }

    #[test]
    fn memory_is_told_in_whole_bytes() {
        let file = "# a\nwhat,count,broker,bytes\na: b,20000,mosquitto,100.4\na: b,20000,rmqtt-c,99.6\n";
        let table = memory(&Data::parse(file).unwrap()).unwrap();
        assert_eq!(last_row(&table), ["a, b", "20\u{a0}000", "100", "100"]);
    }
}
