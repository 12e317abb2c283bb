//! The machine an instance runs on.

/// Load of a machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MachineLoad {
    /// Load average over one minute.
    pub load_one: f64,
    /// Load average over fifteen minutes.
    pub load_fifteen: f64,
    /// Processors.
    pub processors: usize,
    /// Bytes of memory.
    pub memory_total: u64,
    /// Bytes of memory that programs may still take.
    pub memory_available: u64,
}
