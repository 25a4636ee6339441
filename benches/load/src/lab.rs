//! Where brokers are started.

use std::fs;
use std::path::{Path, PathBuf};

use crate::broker::{Broker, Kind};
use crate::{tls, Result};

pub struct Lab {
    /// Templates of configurations.
    configs: PathBuf,
    /// For configurations, logs and the certificate. It is removed when this is dropped.
    directory: PathBuf,
}

impl Lab {
    pub fn new(configs: &Path) -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("rmqtt-bench-{}", std::process::id()));
        fs::create_dir(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let lab = Self { configs: configs.to_owned(), directory };
        tls::write_certificate(&lab.directory)?;
        Ok(lab)
    }

    pub fn start(&self, kind: &Kind, program: &Path) -> Result<Broker> {
        Broker::start(kind, program, &self.configs, &self.directory)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // What cannot be removed does no harm where temporary files are.
        let _ = fs::remove_dir_all(&self.directory);
    }
}
