//! What every builder of a program's run can be told, with a terminal or without one.

/// Builder methods for the fields `arguments` and `environment`.
macro_rules! invocation_methods {
    () => {
        /// One more argument.
        pub fn arg(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
            self.arguments.push(argument.as_ref().to_owned());
            self
        }

        /// More arguments.
        pub fn args<A: AsRef<std::ffi::OsStr>>(
            mut self,
            arguments: impl IntoIterator<Item = A>,
        ) -> Self {
            self.arguments.extend(arguments.into_iter().map(|each| each.as_ref().to_owned()));
            self
        }

        /// One variable of the environment.
        pub fn env(
            mut self,
            name: impl AsRef<std::ffi::OsStr>,
            value: impl AsRef<std::ffi::OsStr>,
        ) -> Self {
            self.environment.set(name, value);
            self
        }

        /// The `PG*` variables that lead to this instance.
        pub fn instance(mut self, instance: &$crate::TestInstance) -> Self {
            for (name, value) in instance.environment() {
                self.environment.set(name, value);
            }
            self
        }

        /// A home directory to share with other programs; without it, one of its own.
        pub fn home(mut self, home: &$crate::Home) -> Self {
            self.environment.set_home(home);
            self
        }
    };
}

pub(crate) use invocation_methods;
