//! Connections to an instance, for tests with and without an async runtime.

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, Config, Error, NoTls, SimpleQueryMessage};

use super::TestInstance;

/// How long a connection, or a blocking query, may take.
const PATIENCE: Duration = Duration::from_secs(30);

impl TestInstance {
    /// How to connect as the superuser, by the Unix socket.
    #[must_use]
    pub fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config
            .host_path(self.socket_directory())
            .port(self.port())
            .user("postgres")
            .dbname(database)
            .application_name("pgdeck-tests")
            .connect_timeout(PATIENCE);
        config
    }

    /// Connects as the superuser; the connection runs on the caller's tokio runtime.
    ///
    /// # Panics
    /// When the server does not let us in.
    pub async fn connect(&self, database: &str) -> Client {
        connect(&self.config(database)).await.unwrap_or_else(|error| panic!("{}", words(&error)))
    }

    /// Runs SQL commands in a connection of their own.
    ///
    /// # Panics
    /// When one fails, with the server's words.
    pub fn sql(&self, database: &str, commands: &str) {
        self.try_sql(database, commands)
            .unwrap_or_else(|error| panic!("{commands:?}: {}", words(&error)));
    }

    /// The same for commands that may fail.
    ///
    /// # Errors
    /// The server's error, or that of the connection.
    pub fn try_sql(&self, database: &str, commands: &str) -> Result<(), Error> {
        let config = self.config(database);
        block_on(|| once(&config, async |client| client.batch_execute(commands).await))
    }

    /// The first column of the first row, as text; an empty text for NULL.
    ///
    /// # Panics
    /// When the query fails or has no row.
    #[must_use]
    pub fn query_one_text(&self, database: &str, query: &str) -> String {
        self.query_texts(database, query)
            .into_iter()
            .next()
            .unwrap_or_else(|| panic!("{query:?} has no row"))
    }

    /// The first column of every row, as text.
    ///
    /// # Panics
    /// When the query fails.
    #[must_use]
    pub fn query_texts(&self, database: &str, query: &str) -> Vec<String> {
        let config = self.config(database);
        let rows = block_on(|| once(&config, async |client| client.simple_query(query).await));
        texts(rows.unwrap_or_else(|error| panic!("{query:?}: {}", words(&error))))
    }

    /// Opens a session that lasts, for tests without an async runtime.
    ///
    /// # Panics
    /// When the server does not let us in.
    #[must_use]
    pub fn session(&self, database: &str) -> Session {
        let mut config = self.config(database);
        config.application_name("pgdeck-tests session");
        Session::open(&config).unwrap_or_else(|error| panic!("{}", words(&error)))
    }
}

/// A session that stays open: idle, in a transaction, holding locks or waiting for them.
pub struct Session {
    client: Arc<Client>,
    pid: i32,
    /// Only taken when dropped.
    runtime: Option<Runtime>,
}

impl Session {
    /// Opens one with these parameters.
    ///
    /// # Errors
    /// When the server does not let us in.
    pub fn open(config: &Config) -> Result<Self, Error> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a tokio runtime can be made");
        let config = config.clone();
        let client = on(&runtime, async move { connect(&config).await }).wait()?;
        let client = Arc::new(client);
        let mut session = Self { client, pid: 0, runtime: Some(runtime) };
        let pid = session.query_one_text("select pg_backend_pid()");
        session.pid = pid.parse().expect("a pid is a number");
        Ok(session)
    }

    /// The pid of its backend.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Runs SQL commands and waits for their end.
    ///
    /// # Panics
    /// When one fails, or after half a minute.
    pub fn run(&self, commands: &str) {
        self.begin(commands)
            .wait()
            .unwrap_or_else(|error| panic!("{commands:?}: {}", words(&error)));
    }

    /// Sends SQL commands and does not wait, as for a lock that another session holds.
    #[must_use]
    pub fn begin(&self, commands: &str) -> Pending<Result<(), Error>> {
        let (client, commands) = (Arc::clone(&self.client), commands.to_owned());
        on(self.runtime(), async move { client.batch_execute(&commands).await })
    }

    /// The first column of the first row, as text; an empty text for NULL.
    ///
    /// # Panics
    /// When the query fails or has no row, or after half a minute.
    #[must_use]
    pub fn query_one_text(&self, query: &str) -> String {
        let (client, text) = (Arc::clone(&self.client), query.to_owned());
        let rows = on(self.runtime(), async move { client.simple_query(&text).await }).wait();
        texts(rows.unwrap_or_else(|error| panic!("{query:?}: {}", words(&error))))
            .into_iter()
            .next()
            .unwrap_or_else(|| panic!("{query:?} has no row"))
    }

    /// Whether the connection has ended, as after `pg_terminate_backend`.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("the runtime lives as long as the session")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A plain drop would wait, and panics inside of another runtime.
            runtime.shutdown_background();
        }
    }
}

/// The outcome of something that goes on in the background.
pub struct Pending<T> {
    receiver: Receiver<T>,
}

impl<T> Pending<T> {
    /// Waits for the outcome.
    ///
    /// # Panics
    /// After half a minute.
    pub fn wait(self) -> T {
        self.receiver.recv_timeout(PATIENCE).expect("the server answers within half a minute")
    }
}

fn on<T: Send + 'static>(
    runtime: &Runtime,
    work: impl Future<Output = T> + Send + 'static,
) -> Pending<T> {
    let (sender, receiver) = channel();
    runtime.spawn(async move {
        // Nobody may want to know.
        let _ = sender.send(work.await);
    });
    Pending { receiver }
}

/// Runs a future to its end on a thread of its own: the caller may be inside of a runtime.
fn block_on<T: Send, F: Future<Output = T>>(work: impl FnOnce() -> F + Send) -> T {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a tokio runtime can be made");
            runtime.block_on(work())
        });
        worker.join().expect("a query does not panic")
    })
}

async fn connect(config: &Config) -> Result<Client, Error> {
    let (client, connection) = config.connect(NoTls).await?;
    // Its error reaches whoever waits for an answer.
    tokio::spawn(connection);
    Ok(client)
}

/// Connects, works and takes leave, so that the server sees an orderly end.
async fn once<T>(
    config: &Config,
    work: impl AsyncFnOnce(&Client) -> Result<T, Error>,
) -> Result<T, Error> {
    let (client, connection) = config.connect(NoTls).await?;
    let connection = tokio::spawn(connection);
    let outcome = work(&client).await;
    drop(client);
    // Its error has reached the work already.
    let _ = connection.await;
    outcome
}

fn texts(messages: Vec<SimpleQueryMessage>) -> Vec<String> {
    messages
        .into_iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        })
        .collect()
}

/// The server's own words where it said any; tokio-postgres hides them behind "db error".
fn words(error: &Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string)
}
