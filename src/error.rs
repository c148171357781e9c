//! The one error type of the engine and the command.

use std::path::PathBuf;

/// What can go wrong. Messages say what was wrong, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No adapter matches, or the machine has none.
    #[error("no GPU adapter: {0}")]
    NoAdapter(String),
    /// The driver refused, failed or lost the device.
    #[error("GPU device: {0}")]
    Device(String),
    /// The model, batch or picture needs more memory than the device gives.
    #[error("does not fit: {0}")]
    OutOfMemory(String),
    /// A shader does not compile or breaks the limits of its tier.
    #[error("shader {shader}: {message}")]
    Shader {
        /// File name below `shaders/`.
        shader: String,
        /// What the compiler said.
        message: String,
    },
    /// An operator was given shapes it cannot work on.
    #[error("{op}: {message}")]
    Shape {
        /// Operator or model.
        op: String,
        /// The shapes, and what was expected.
        message: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A picture, mask or data folder that cannot be used.
    #[error("{}: {message}", path.display())]
    Data {
        /// The offending file or folder.
        path: PathBuf,
        /// What is wrong with it and what to do.
        message: String,
    },
    /// A configuration key or value that cannot be used.
    #[error("config: {0}")]
    Config(String),
    /// A run folder in which another process is training.
    #[error("{}: another process is training here; wait for it, or give another train.out", .0.display())]
    Busy(PathBuf),
    /// A weight or checkpoint file that cannot be used.
    #[error("{}: {message}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong: which tensors differ, or what the file is instead.
        message: String,
    },
    /// Several things at once; see [`Error::all`].
    #[error("{}", listed(.0))]
    Several(Vec<Error>),
    /// Training, or a descent, ran into numbers out of all bounds.
    #[error("diverged: {0}")]
    Diverged(String),
    /// A reference case failed or compared nothing.
    #[error("{0}")]
    Check(String),
}

/// Shorthand used throughout.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The first few, a line each, and how many more there are.
fn listed(errors: &[Error]) -> String {
    let mut lines: Vec<String> = errors.iter().take(MOST_LISTED).map(Error::to_string).collect();
    if errors.len() > MOST_LISTED {
        lines.push(format!("and {} more; `gyre data check` names them all", errors.len() - MOST_LISTED));
    }
    lines.join("\n")
}

/// Errors that a message lists.
const MOST_LISTED: usize = 10;

impl Error {
    /// Nothing for none, one error as it is, several as one.
    ///
    /// # Errors
    /// Those given.
    pub fn all(mut errors: Vec<Self>) -> Result<()> {
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(Self::Several(errors)),
        }
    }

    /// The single errors.
    pub fn each(&self) -> Vec<&Self> {
        match self {
            Self::Several(errors) => errors.iter().collect(),
            one => vec![one],
        }
    }

    /// An [`Error::Io`] at `path`; for use in `map_err`.
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    /// An [`Error::Data`] at `path`.
    pub fn data(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::Data { path: path.into(), message: message.into() }
    }

    /// An [`Error::Shape`] of operator `op`.
    pub fn shape(op: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Shape { op: op.into(), message: message.into() }
    }
}
