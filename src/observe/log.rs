//! The log: what the broker and its libraries say through `tracing` and `log`, handed to one sink of the host program.
//!
//! A sink may be slow, and the line may come from an async worker, so lines go through a bounded queue to a thread of
//! their own. Nothing is ever written to stdout or stderr.

use std::cell::Cell;
use std::fmt::Write as _;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, AtomicU8, Ordering::Relaxed};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, Once};
use std::thread::{self, JoinHandle};

use parking_lot::{Mutex, RwLock};
use tracing::field::{Field, Visit};
use tracing::span;

use crate::hooks;
use crate::model::Text;

/// Lines that may wait for the sink; more are dropped, and their number is told with the next line that gets through.
const MAX_WAITING_LINES: usize = 4096;

/// How important a line is. The numbers are part of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    Error = 1,
    Warn = 2,
    Info = 3,
    Debug = 4,
    Trace = 5,
}

impl TryFrom<i32> for Level {
    type Error = i32;

    fn try_from(value: i32) -> Result<Self, i32> {
        Ok(match value {
            1 => Level::Error,
            2 => Level::Warn,
            3 => Level::Info,
            4 => Level::Debug,
            5 => Level::Trace,
            other => return Err(other),
        })
    }
}

/// One line of the log.
#[derive(Clone, Debug)]
pub struct Line {
    pub level: Level,
    /// The module that speaks.
    pub target: Text,
    pub message: Text,
}

/// The host program's end of the log. Called by one thread at a time.
pub type Sink = Box<dyn FnMut(&Line) + Send>;

/// Why a sink could not be set.
#[derive(Debug)]
pub enum SetError {
    /// The program has a `tracing` subscriber or a `log` logger of its own (only where it is written in Rust).
    Occupied,
    /// The system refused the thread.
    Thread(std::io::Error),
}

struct Writer {
    lines: SyncSender<Line>,
    lost: AtomicU64,
}

static WRITER: RwLock<Option<Arc<Writer>>> = RwLock::new(None);
static MAX_LEVEL: AtomicU8 = AtomicU8::new(0);
/// Serializes [`set`]; holds the thread of the current sink.
static THREAD: Mutex<Option<JoinHandle<()>>> = Mutex::new(None);

thread_local! {
    /// The sink's own thread must not feed itself.
    static IS_LOG_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Hands lines up to `max` to `sink`, in place of the sink before, or to nobody.
///
/// When this returns, the sink before has had its last call and is dropped, unless the caller is a callback: that
/// could be what the sink waits for, so then it happens soon after.
pub fn set(max: Level, sink: Option<Sink>) -> Result<(), SetError> {
    install()?;
    let started = match sink {
        Some(sink) => Some(start(sink)?),
        None => None,
    };
    let (writer, thread) = started.unzip();
    let mut current = THREAD.lock();
    let max = writer.as_ref().map(|_| max);
    MAX_LEVEL.store(max.map_or(0, |max| max as u8), Relaxed);
    log::set_max_level(max.map_or(log::LevelFilter::Off, to_log_filter));
    *WRITER.write() = writer.map(Arc::new);
    let before = std::mem::replace(&mut *current, thread);
    drop(current);
    if let Some(before) = before.filter(|_| !hooks::in_callback()) {
        // The log thread catches what its sink throws; it cannot have panicked.
        let _ = before.join();
    }
    Ok(())
}

fn start(mut sink: Sink) -> Result<(Writer, JoinHandle<()>), SetError> {
    let (lines, waiting) = mpsc::sync_channel::<Line>(MAX_WAITING_LINES);
    let run = move || {
        hooks::mark_callback_thread();
        IS_LOG_THREAD.set(true);
        for line in waiting {
            // A sink that panics has had its say; the next line finds it again.
            let _ = catch_unwind(AssertUnwindSafe(|| sink(&line)));
        }
    };
    let thread = thread::Builder::new().name("rmqtt-log".to_owned()).spawn(run).map_err(SetError::Thread)?;
    Ok((Writer { lines, lost: AtomicU64::new(0) }, thread))
}

fn enabled(level: Level) -> bool {
    level as u8 <= MAX_LEVEL.load(Relaxed) && !IS_LOG_THREAD.get()
}

fn write(level: Level, target: &str, mut message: String) {
    let Some(writer) = WRITER.read().clone() else { return };
    let lost = writer.lost.swap(0, Relaxed);
    if lost > 0 {
        // Writing to a String cannot fail.
        let _ = write!(message, " ({lost} lines lost before this one)");
    }
    // A NUL in a line would cut it short for C.
    let line = Line { level, target: Text::from(target), message: Text::from(message.replace('\0', "\u{fffd}")) };
    if let Err(TrySendError::Full(_)) = writer.lines.try_send(line) {
        writer.lost.fetch_add(lost + 1, Relaxed);
    }
}

/// Becomes the subscriber of `tracing` and the logger of `log`, once per process.
fn install() -> Result<(), SetError> {
    static INSTALL: Once = Once::new();
    static OCCUPIED: Mutex<bool> = Mutex::new(false);
    INSTALL.call_once(|| {
        let tracing = tracing::subscriber::set_global_default(Bridge).is_ok();
        let log = log::set_logger(&Bridge).is_ok();
        *OCCUPIED.lock() = !(tracing && log);
    });
    if *OCCUPIED.lock() {
        return Err(SetError::Occupied);
    }
    Ok(())
}

struct Bridge;

impl tracing::Subscriber for Bridge {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_event() && enabled(from_tracing(metadata.level()))
    }

    fn register_callsite(&self, _: &'static tracing::Metadata<'static>) -> tracing::subscriber::Interest {
        // The level changes with each `set`: ask every time.
        tracing::subscriber::Interest::sometimes()
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = EventText::default();
        event.record(&mut text);
        write(from_tracing(event.metadata().level()), event.metadata().target(), text.message + &text.fields);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

impl log::Log for Bridge {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        enabled(from_log(metadata.level()))
    }

    fn log(&self, record: &log::Record<'_>) {
        if self::enabled(from_log(record.level())) {
            write(from_log(record.level()), record.target(), record.args().to_string());
        }
    }

    fn flush(&self) {}
}

fn from_tracing(level: &tracing::Level) -> Level {
    match *level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::TRACE => Level::Trace,
    }
}

fn from_log(level: log::Level) -> Level {
    match level {
        log::Level::Error => Level::Error,
        log::Level::Warn => Level::Warn,
        log::Level::Info => Level::Info,
        log::Level::Debug => Level::Debug,
        log::Level::Trace => Level::Trace,
    }
}

fn to_log_filter(level: Level) -> log::LevelFilter {
    match level {
        Level::Error => log::LevelFilter::Error,
        Level::Warn => log::LevelFilter::Warn,
        Level::Info => log::LevelFilter::Info,
        Level::Debug => log::LevelFilter::Debug,
        Level::Trace => log::LevelFilter::Trace,
    }
}

/// An event as text: the message, then ` key=value` for each field.
#[derive(Default)]
struct EventText {
    message: String,
    fields: String,
}

impl Visit for EventText {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a String cannot fail.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}
