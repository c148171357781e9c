//! The run's log for TensorBoard: an event file of scalars, as TensorFlow writes them.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    time::SystemTime,
};

use prost::Message;

use crate::{Error, Result, io::atomic::write_atomic, metrics::Row};

/// TensorBoard knows its files by the middle of the name.
pub const EVENTS: &str = "events.out.tfevents.gyre";

/// `tensorflow.Event`, as far as scalars need it.
#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Scalars>,
}

/// `tensorflow.Summary`.
#[derive(Clone, PartialEq, Message)]
struct Scalars {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

/// `tensorflow.Summary.Value`.
#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// An event file that grows by the rows of the log.
#[derive(Debug)]
pub(super) struct Events {
    path: PathBuf,
    file: File,
}

impl Events {
    /// The event file of the run folder `folder`, made anew with `rows`; they have the time of now.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn create(folder: &Path, rows: &[Row]) -> Result<Self> {
        let path = folder.join(EVENTS);
        let now = seconds();
        let version =
            Event { wall_time: now, file_version: Some("brain.Event:2".into()), ..Event::default() };
        let mut bytes = record(&version.encode_to_vec());
        rows.iter().for_each(|row| bytes.extend(record(&event(row, now).encode_to_vec())));
        write_atomic(&path, &bytes)?;
        let file = OpenOptions::new().append(true).open(&path).map_err(Error::io(&path))?;
        Ok(Self { path, file })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn append(&mut self, row: &Row) -> Result<()> {
        let bytes = record(&event(row, seconds()).encode_to_vec());
        self.file.write_all(&bytes).map_err(Error::io(&self.path))
    }
}

fn seconds() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// A row's numbers, named `loss/train`, `dice/val` and so on, so that both phases share a chart.
fn event(row: &Row, wall_time: f64) -> Event {
    let scalar = |(key, value): &(String, f64)| Scalar {
        tag: format!("{key}/{}", row.phase.name()),
        simple_value: Some(*value as f32),
    };
    let value = row.values.iter().map(scalar).collect();
    Event { wall_time, step: row.step as i64, file_version: None, summary: Some(Scalars { value }) }
}

/// A `TFRecord`: length and data, each with its masked checksum.
fn record(data: &[u8]) -> Vec<u8> {
    let masked =
        |bytes: &[u8]| crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes();
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), data, &masked(data)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Phase;

    /// Reads an event file back, checking its sums.
    fn read(bytes: &[u8]) -> Vec<Event> {
        let (mut rest, mut events) = (bytes, Vec::new());
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let data = &rest[12..12 + length];
            assert_eq!(record(data), rest[..length + 16]);
            events.push(Event::decode(data).unwrap());
            rest = &rest[length + 16..];
        }
        events
    }

    #[test]
    fn rows_become_scalars() {
        let folder = tempfile::tempdir().unwrap();
        let row = |step| Row::new(Phase::Val, 0, step).with("dice", 0.5).with("iou", 0.25);
        let mut events = Events::create(folder.path(), &[row(3)]).unwrap();
        events.append(&row(7)).unwrap();
        let read = read(&std::fs::read(folder.path().join(EVENTS)).unwrap());
        assert_eq!(read[0].file_version.as_deref(), Some("brain.Event:2"));
        assert_eq!(read[1..].iter().map(|event| event.step).collect::<Vec<_>>(), [3, 7]);
        let values = &read[2].summary.as_ref().unwrap().value;
        assert_eq!((values[1].tag.as_str(), values[1].simple_value), ("iou/val", Some(0.25)));
    }

    #[test]
    fn checksums_are_castagnoli_and_masked() {
        // The header of every record of 24 bytes.
        assert_eq!(record(&[0; 24])[..12], [24, 0, 0, 0, 0, 0, 0, 0, 163, 127, 75, 34]);
    }
}
