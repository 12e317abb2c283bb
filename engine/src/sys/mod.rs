//! The only doors out of the engine: files, devices, processes, credentials, the clock.
//!
//! Every other module asks here, so that what touches the machine can be read in one place,
//! runs under the right user, and can be given a time limit. Knows nothing of PostgreSQL.

pub mod clock;
pub mod companion;
pub mod credentials;
pub mod deadline;
pub mod device;
pub mod disk;
pub mod faults;
pub mod file;
pub mod lock;
pub mod log_file;
pub mod memory;
pub mod process;
pub mod process_table;
pub mod source;
