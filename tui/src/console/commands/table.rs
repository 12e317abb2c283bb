//! The one table of commands.

use super::{CommandId, CommandSpec, Danger, Need, Scope};
use crate::console::keys::Key;
use crate::console::panes::PaneId;

const SESSIONS: Scope = Scope::Panes(&[PaneId::Connections, PaneId::Locks]);
const CONNECTIONS: Scope = Scope::Panes(&[PaneId::Connections]);
const OVERVIEW: Scope = Scope::Panes(&[PaneId::Overview]);
const PREPARED: Scope = Scope::Panes(&[PaneId::Prepared, PaneId::Locks]);
const LOGS: Scope = Scope::Panes(&[PaneId::Logs]);
const BACKUPS: Scope = Scope::Panes(&[PaneId::Backups]);
const MESSAGES: Scope = Scope::Panes(&[PaneId::Messages, PaneId::Overview]);

macro_rules! table {
    ($($id:ident $name:literal [$($key:expr),*] $scope:expr, $hint:literal, $danger:ident, [$($need:ident),*], $help:literal;)*) => {
        /// Every command, in the order of the help.
        pub const TABLE: &[CommandSpec] = &[$(CommandSpec {
            id: CommandId::$id,
            name: $name,
            keys: &[$($key),*],
            scope: $scope,
            hint: $hint,
            help: $help,
            danger: Danger::$danger,
            needs: &[$(Need::$need),*],
        }),*];
    };
}

table! {
    Solve "solution" [Key::Char('o')] MESSAGES, "solution", None, [Instance],
        "Go where the selected message's Solution is carried out.";
    StartInstance "start" [Key::Char('s')] OVERVIEW, "start", Serious, [Writable, Instance, Local, Down],
        "Start the instance; a failed start shows the cause from the server's log.";
    StopInstance "stop" [Key::Char('S')] OVERVIEW, "stop", Serious, [Writable, Instance, Local, Running],
        "Stop the instance: smart, fast, immediate or kill, each with its consequence.";
    RestartInstance "restart" [Key::Char('E')] OVERVIEW, "restart", Serious, [Writable, Instance, Local, Running],
        "Stop the instance and start it again.";
    ReloadInstance "reload" [Key::Char('e')] OVERVIEW, "reload", Serious, [Writable, Instance, Running],
        "Load the configuration files again and show what is wrong in them.";
    CancelQuery "cancel" [Key::Char('c')] SESSIONS, "cancel", Light, [Writable, Connected, Session],
        "Cancel the query of the session, or of all marked ones (pg_cancel_backend).";
    TerminateSession "terminate" [Key::Char('t')] SESSIONS, "terminate", Serious, [Writable, Connected, Session],
        "End the session, or all marked ones (pg_terminate_backend).";
    MarkIdle "mark-idle" [Key::Char('I')] CONNECTIONS, "mark idle", None, [Instance],
        "Mark every session that the idle-in-transaction rule names.";
    IdleMinutes "idle-minutes" [Key::Char('m')] CONNECTIONS, "", None, [Instance],
        "Set the minutes of the idle-in-transaction rule (60 by default).";
    AllBackends "all-backends" [Key::Char('b')] CONNECTIONS, "all", None, [Instance],
        "Show background processes too, or clients only.";
    CommitPrepared "commit-prepared" [Key::Char('C')] PREPARED, "commit", Grave, [Writable, Connected, Prepared],
        "Commit the prepared transaction, in its own database.";
    RollbackPrepared "rollback-prepared" [Key::Char('B')] PREPARED, "roll back", Grave, [Writable, Connected, Prepared],
        "Roll the prepared transaction back, in its own database.";
    LogFollow "follow" [Key::Char('f')] LOGS, "follow", None, [Instance],
        "Follow the end of the log, or stay where you are.";
    LogSeverity "severity" [Key::Char('v')] LOGS, "severity", None, [Instance],
        "Show all entries, warnings and worse, or errors and worse.";
    LogBenign "benign" [Key::Char('b')] LOGS, "harmless", None, [Instance],
        "Hide or show entries known to be harmless.";
    LogNextError "next-error" [Key::Char('n')] LOGS, "next error", None, [Instance],
        "Go to the next error.";
    LogPreviousError "previous-error" [Key::Char('N')] LOGS, "", None, [Instance],
        "Go to the previous error.";
    BackupNow "backup" [Key::Char('b')] BACKUPS, "backup", Serious, [Writable, Local, Destination, Connected],
        "Take a backup: incremental when a usable full one exists and the chain is short.";
    BackupFull "backup-full" [Key::Char('B')] BACKUPS, "", Serious, [Writable, Local, Destination, Connected],
        "Take a full backup.";
    Recover "recover" [Key::Char('R')] BACKUPS, "recover", Grave, [Writable, Instance, Local],
        "Recover the instance, step by step; or decide about a recovery that is paused or done.";
    VerifyBackups "verify" [Key::Char('v')] BACKUPS, "verify", Serious, [Writable, Local, Destination],
        "Verify everything stored: every byte, and that WAL is continuous.";
    VerifyQuick "verify-quick" [Key::Char('V')] BACKUPS, "", Serious, [Writable, Local, Destination],
        "Verify that everything is there and that WAL is continuous.";
    RestorePoint "restore-point" [Key::Char('r')] BACKUPS, "restore point", Serious, [Writable, Local, Destination, Connected],
        "Make a named restore point to recover to.";
    RestorePoints "restore-points" [Key::Char('P')] BACKUPS, "points", None, [Instance],
        "Show the restore points.";
    CheckArchive "check-archive" [Key::Char('c')] BACKUPS, "check", Serious, [Writable, Local, Connected],
        "Prove that archiving works: send a WAL segment through.";
    SetUpArchive "backup-setup" [Key::Char('S')] BACKUPS, "set up", Serious, [Writable, Instance, Local],
        "Set up the backup destination and the WAL archive; what changes is shown first.";
    RecoveryMap "recovery-map" [Key::Char('M')] BACKUPS, "map", None, [Instance, Local],
        "Show what can be recovered to: timelines, backups, WAL, gaps, restore points.";
    Rehearse "rehearse" [Key::Char('T')] BACKUPS, "rehearse", Serious, [Writable, Local, Destination],
        "Test a recovery: into a scratch directory, checked, measured and removed.";
    DeleteBackup "delete-backup" [Key::Char('D')] BACKUPS, "delete", Grave, [Writable, Local, Destination, Backup],
        "Delete the backup, and the WAL that only it needed.";
    Open "open" [Key::Enter] Scope::List, "open", None, [Row],
        "Show everything about the selected row.";
    Down "down" [Key::Char('j'), Key::Down] Scope::List, "", None, [],
        "One row down.";
    Up "up" [Key::Char('k'), Key::Up] Scope::List, "", None, [],
        "One row up.";
    First "first" [Key::Char('g'), Key::Home] Scope::List, "", None, [],
        "First row.";
    Last "last" [Key::Char('G'), Key::End] Scope::List, "", None, [],
        "Last row.";
    HalfDown "half-page-down" [Key::Ctrl('d')] Scope::List, "", None, [],
        "Half a page down.";
    HalfUp "half-page-up" [Key::Ctrl('u')] Scope::List, "", None, [],
        "Half a page up.";
    PageDown "page-down" [Key::PageDown, Key::Ctrl('f')] Scope::List, "", None, [],
        "One page down.";
    PageUp "page-up" [Key::PageUp, Key::Ctrl('b')] Scope::List, "", None, [],
        "One page up.";
    Mark "mark" [Key::Char(' ')] Scope::List, "mark", None, [Row],
        "Mark or unmark the row and go one down.";
    Unmark "unmark-all" [Key::Char('u')] Scope::List, "", None, [],
        "Remove all marks.";
    Filter "filter" [Key::Char('/')] Scope::List, "filter", None, [],
        "Show only rows that contain every word; !word shows those without it.";
    SortNext "sort-next" [Key::Char('>')] Scope::List, "", None, [],
        "Sort by the next column.";
    SortPrevious "sort-previous" [Key::Char('<')] Scope::List, "", None, [],
        "Sort by the previous column.";
    SortReverse "sort-reverse" [Key::Char('~')] Scope::List, "", None, [],
        "Turn the order round.";
    ColumnsRight "columns-right" [Key::Char(']'), Key::Char('l'), Key::Right] Scope::List, "", None, [],
        "Scroll the columns to the right; the first stays.";
    ColumnsLeft "columns-left" [Key::Char('['), Key::Char('h'), Key::Left] Scope::List, "", None, [],
        "Scroll the columns to the left.";
    Copy "copy" [Key::Char('y')] Scope::List, "", None, [Row],
        "Send the row to the terminal's clipboard and show it plainly to copy from.";
    NextPane "next-pane" [Key::Tab] Scope::Global, "", None, [],
        "Next pane.";
    PreviousPane "previous-pane" [Key::BackTab] Scope::Global, "", None, [],
        "Previous pane.";
    GoOverview "overview" [Key::Char('1')] Scope::Global, "", None, [],
        "Overview: is it healthy, is my data safe, what next.";
    GoStorage "storage" [Key::Char('2')] Scope::Global, "", None, [],
        "Storage: destinations, free space, forecast, databases.";
    GoConnections "connections" [Key::Char('3')] Scope::Global, "", None, [],
        "Connections: sessions with waits, ages and blockers.";
    GoLocks "locks" [Key::Char('4')] Scope::Global, "", None, [],
        "Locks: who blocks whom, as a tree.";
    GoPrepared "prepared" [Key::Char('5')] Scope::Global, "", None, [],
        "Prepared: in-doubt transactions of all databases.";
    GoLogs "logs" [Key::Char('6')] Scope::Global, "", None, [],
        "Logs: the server log, followed.";
    GoMessages "messages" [Key::Char('7')] Scope::Global, "", None, [],
        "Messages: every condition with its Solution.";
    GoBackups "backups" [Key::Char('8')] Scope::Global, "", None, [],
        "Backups: what can be recovered, the WAL archive, every backup.";
    Palette "palette" [Key::Char(':')] Scope::Global, "commands", None, [],
        "Find a command by name.";
    Help "help" [Key::Char('?')] Scope::Global, "help", None, [],
        "Show, search and run all commands.";
    Back "back" [Key::Esc] Scope::Global, "", None, [],
        "One level back: closes a dialog, then the filter, then the marks. Never quits.";
    Pause "pause" [Key::Char('p')] Scope::Global, "", None, [],
        "Freeze the screen, or go on.";
    Faster "faster" [Key::Char('+')] Scope::Global, "", None, [],
        "Refresh more often.";
    Slower "slower" [Key::Char('-')] Scope::Global, "", None, [],
        "Refresh less often.";
    Recheck "recheck" [Key::Char('R')] Scope::Global, "", None, [Instance],
        "Recheck the status: look at everything again now.";
    Instances "instances" [Key::Char('i')] Scope::Global, "", None, [],
        "Choose another instance.";
    NextInstance "next-instance" [Key::Char('n')] Scope::Global, "", None, [SeveralInstances],
        "Go to the next instance.";
    Jobs "jobs" [Key::Char('J')] Scope::Global, "", None, [],
        "Show running and ended jobs, of other pgdeck processes too.";
    Operations "operations" [Key::Char('O')] Scope::Global, "", None, [Instance],
        "Show the operations log: who did what, when, with which result.";
    Repaint "repaint" [Key::Ctrl('l')] Scope::Global, "", None, [],
        "Draw the whole screen again.";
    Suspend "suspend" [Key::Ctrl('z')] Scope::Global, "", None, [],
        "Leave the console to the shell; fg brings it back.";
    Quit "quit" [Key::Char('q'), Key::Ctrl('c')] Scope::Global, "quit", None, [],
        "Quit; with a job at work it asks first.";
}
