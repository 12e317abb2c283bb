//! A list's state: what is selected, marked, filtered, sorted and scrolled. Knows no rows, only
//! their keys, so that the selection stays with its row when the order changes.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

use super::commands::CommandId;
use super::row_filter::RowFilter;

/// What can be asked of any list, whatever its rows are keyed by.
pub trait ListControls {
    /// The filter as typed.
    fn filter_text(&self) -> &str;

    /// Sets the filter.
    fn set_filter(&mut self, text: &str);

    /// Removes all marks; whether there were any.
    fn clear_marks(&mut self) -> bool;

    /// Rows marked.
    fn marked(&self) -> usize;

    /// Whether a row is selected.
    fn has_selection(&self) -> bool;

    /// What names the selected row for good, to tell later whether it is still the same.
    fn selected_name(&self) -> Option<String>;

    /// Where the list stands on the screen.
    fn window(&self) -> Window;

    /// Selects the row with this number, if there is one; whether it was selected before.
    fn click(&mut self, row: usize) -> bool;
}

/// Which rows of a list are on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first one.
    pub offset: usize,
    /// How many there is room for.
    pub height: usize,
    /// The selected one, counted from the first on the screen.
    pub selected: Option<usize>,
    /// Columns scrolled away.
    pub columns_skipped: usize,
    /// The column sorted by, and whether turned round.
    pub sort: (usize, bool),
}

/// Where one is in a list.
#[derive(Clone, Debug)]
pub struct ListState<K> {
    /// Keys of the rows shown, in order.
    keys: Vec<K>,
    selected: Option<K>,
    index: usize,
    offset: usize,
    height: usize,
    marks: HashSet<K>,
    filter: RowFilter,
    sort: usize,
    is_reversed: bool,
    columns_skipped: usize,
}

impl<K> Default for ListState<K> {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            selected: None,
            index: 0,
            offset: 0,
            height: 1,
            marks: HashSet::new(),
            filter: RowFilter::default(),
            sort: 0,
            is_reversed: false,
            columns_skipped: 0,
        }
    }
}

impl<K: Clone + Eq + Hash> ListState<K> {
    /// Takes the rows now shown and the lines there are for them; keeps the selection on its
    /// row, or near where it was when the row is gone.
    pub fn settle(&mut self, keys: Vec<K>, height: usize) {
        self.keys = keys;
        self.height = height.max(1);
        let found = self.selected.as_ref().and_then(|key| self.position(key));
        self.select_index(found.unwrap_or(self.index));
    }

    /// As [`ListState::settle`], but who is at the top stays at the top: the worst comes first.
    pub fn settle_at_top(&mut self, keys: Vec<K>, height: usize) {
        if self.index == 0 {
            self.selected = None;
        }
        self.settle(keys, height);
    }

    /// Forgets marks of rows that no longer exist at all (not merely filtered out).
    pub fn retain_marks(&mut self, exists: impl Fn(&K) -> bool) {
        self.marks.retain(|key| exists(key));
    }

    fn position(&self, key: &K) -> Option<usize> {
        self.keys.iter().position(|one| one == key)
    }

    fn select_index(&mut self, index: usize) {
        let last = self.keys.len().saturating_sub(1);
        self.index = index.min(last);
        self.selected = self.keys.get(self.index).cloned();
        let lowest = self.index.saturating_sub(self.height - 1);
        let fills_the_window = self.keys.len().saturating_sub(self.height);
        self.offset = self.offset.clamp(lowest, self.index).min(fills_the_window);
    }

    /// Selects a row by its key, if it is shown.
    pub fn select(&mut self, key: &K) -> bool {
        match self.position(key) {
            Some(index) => {
                self.select_index(index);
                true
            }
            None => {
                self.selected = Some(key.clone());
                false
            }
        }
    }

    /// The selected row.
    #[must_use]
    pub fn selected(&self) -> Option<&K> {
        self.selected.as_ref().filter(|key| self.keys.get(self.index) == Some(*key))
    }

    /// Its place among the rows shown.
    #[must_use]
    pub fn selected_index(&self) -> Option<usize> {
        self.selected().map(|_| self.index)
    }

    /// Rows shown.
    #[must_use]
    pub fn keys(&self) -> &[K] {
        &self.keys
    }

    /// Whether a row is marked.
    #[must_use]
    pub fn is_marked(&self, key: &K) -> bool {
        self.marks.contains(key)
    }

    /// Marks.
    #[must_use]
    pub fn marks(&self) -> &HashSet<K> {
        &self.marks
    }

    /// Marks a row.
    pub fn mark(&mut self, key: K) {
        self.marks.insert(key);
    }

    /// The filter.
    #[must_use]
    pub fn filter(&self) -> &RowFilter {
        &self.filter
    }

    /// Number of the column sorted by.
    #[must_use]
    pub fn sort(&self) -> usize {
        self.sort
    }

    /// Sorts by this column from now on.
    pub fn set_sort(&mut self, column: usize, is_reversed: bool) {
        self.sort = column;
        self.is_reversed = is_reversed;
    }

    /// Whether the order is turned round.
    #[must_use]
    pub fn is_reversed(&self) -> bool {
        self.is_reversed
    }

    /// Carries out a command that every list understands; whether it was one.
    pub fn run(&mut self, command: CommandId, columns: usize) -> bool {
        let half = (self.height / 2).max(1);
        match command {
            CommandId::Down => self.select_index(self.index.saturating_add(1)),
            CommandId::Up => self.select_index(self.index.saturating_sub(1)),
            CommandId::First => self.select_index(0),
            CommandId::Last => self.select_index(usize::MAX),
            CommandId::HalfDown => self.select_index(self.index.saturating_add(half)),
            CommandId::HalfUp => self.select_index(self.index.saturating_sub(half)),
            CommandId::PageDown => self.select_index(self.index.saturating_add(self.height)),
            CommandId::PageUp => self.select_index(self.index.saturating_sub(self.height)),
            CommandId::Mark => self.toggle_mark(),
            CommandId::Unmark => {
                self.marks.clear();
            }
            CommandId::SortNext if columns > 0 => self.sort = (self.sort + 1) % columns,
            CommandId::SortPrevious if columns > 0 => {
                self.sort = (self.sort + columns - 1) % columns;
            }
            CommandId::SortReverse => self.is_reversed = !self.is_reversed,
            CommandId::ColumnsRight if columns > 1 => {
                self.columns_skipped = (self.columns_skipped + 1).min(columns - 2);
            }
            CommandId::ColumnsLeft => {
                self.columns_skipped = self.columns_skipped.saturating_sub(1);
            }
            _ => return false,
        }
        true
    }

    fn toggle_mark(&mut self) {
        let Some(key) = self.selected().cloned() else { return };
        if !self.marks.remove(&key) {
            self.marks.insert(key);
        }
        self.select_index(self.index + 1);
    }
}

impl<K: Clone + Eq + Hash + Debug> ListControls for ListState<K> {
    fn filter_text(&self) -> &str {
        self.filter.text()
    }

    fn set_filter(&mut self, text: &str) {
        self.filter = RowFilter::new(text);
    }

    fn clear_marks(&mut self) -> bool {
        let had = !self.marks.is_empty();
        self.marks.clear();
        had
    }

    fn marked(&self) -> usize {
        self.marks.len()
    }

    fn has_selection(&self) -> bool {
        self.selected().is_some()
    }

    fn selected_name(&self) -> Option<String> {
        self.selected().map(|key| format!("{key:?}"))
    }

    fn click(&mut self, row: usize) -> bool {
        let was_selected = self.selected_index() == Some(row);
        if row < self.keys.len() {
            self.select_index(row);
        }
        was_selected
    }

    fn window(&self) -> Window {
        Window {
            offset: self.offset,
            height: self.height,
            selected: self.selected_index().map(|index| index.saturating_sub(self.offset)),
            columns_skipped: self.columns_skipped,
            sort: (self.sort, self.is_reversed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(rows: std::ops::Range<i32>, height: usize) -> ListState<i32> {
        let mut list = ListState::default();
        list.settle(rows.collect(), height);
        list
    }

    #[test]
    fn the_selection_stays_with_its_row() {
        let mut list = list(0..10, 5);
        list.run(CommandId::Down, 1);
        list.run(CommandId::Down, 1);
        assert_eq!(list.selected(), Some(&2));
        list.settle(vec![9, 8, 2, 1], 5);
        assert_eq!((list.selected(), list.selected_index()), (Some(&2), Some(2)));
        list.settle(vec![9, 8, 1], 5);
        assert_eq!(list.selected(), Some(&1), "its row is gone: the one in its place");
        list.settle(Vec::new(), 5);
        assert_eq!(list.selected(), None);
    }

    #[test]
    fn the_selected_row_is_always_on_the_screen() {
        let mut list = list(0..100, 10);
        for command in [
            CommandId::Last,
            CommandId::Up,
            CommandId::HalfUp,
            CommandId::PageUp,
            CommandId::First,
            CommandId::PageDown,
            CommandId::HalfDown,
        ] {
            list.run(command, 1);
            let index = list.selected_index().unwrap();
            assert!((list.offset..list.offset + 10).contains(&index), "{command:?}");
            assert!(list.offset <= 90);
        }
        list.run(CommandId::Last, 1);
        assert_eq!((list.selected_index(), list.offset), (Some(99), 90));
        list.settle((0..100).collect(), 3);
        assert_eq!(list.offset, 97, "a smaller window");
        list.settle((0..100).collect(), 50);
        assert_eq!(list.offset, 50, "a larger one is filled");
    }

    #[test]
    fn marks_stay_with_their_rows() {
        let mut list = list(0..4, 4);
        list.run(CommandId::Mark, 1);
        list.run(CommandId::Mark, 1);
        list.settle(vec![3, 2, 1], 4);
        list.retain_marks(|key| *key != 0);
        assert_eq!(list.marks().iter().collect::<Vec<_>>(), [&1]);
        assert!(list.clear_marks() && !list.clear_marks());
    }

    #[test]
    fn sorting_and_columns_wrap_and_stop() {
        let mut list = list(0..4, 4);
        list.run(CommandId::SortPrevious, 3);
        assert_eq!(list.sort(), 2);
        list.run(CommandId::SortNext, 3);
        assert_eq!(list.sort(), 0);
        for _ in 0..9 {
            list.run(CommandId::ColumnsRight, 5);
        }
        assert_eq!(list.window().columns_skipped, 3);
        assert!(!list.run(CommandId::Quit, 5));
    }
}
