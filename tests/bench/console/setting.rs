//! The servers that are looked at: one where nothing happens, one under a steady load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pgdeck_tests::{Major, TestInstance};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, Config, NoTls};

use super::options::Options;

/// Sessions besides the monitor's own.
pub(crate) const SESSIONS: usize = 200;
/// Those of them that work, under load.
pub(crate) const BUSY: usize = 10;
/// Sessions that wait for one another in it.
const WAITING: usize = 20;
/// Sessions of the row about many sessions.
pub(crate) const MANY: usize = 500;

const DATABASES: [&str; 3] = ["orders", "billing", "reports"];
const APPLICATIONS: [&str; 4] = ["webshop", "invoices", "batch", "psql"];
/// What a session that is idle has done last.
const LAST_QUERIES: [&str; 4] = [
    "select 1",
    "select name, total from invoice where customer = 4711 order by total desc limit 20",
    "select count(*) from invoice where paid",
    "/* keep-alive */ select now()",
];

/// An instance with its sessions.
pub(crate) struct Setting {
    pub(crate) instance: TestInstance,
    sessions: Vec<Client>,
    stop: Arc<AtomicBool>,
    runtime: Runtime,
}

impl Setting {
    /// Two hundred sessions, none of which does anything.
    pub(crate) fn quiet(options: &Options) -> Self {
        // A worker of autovacuum once a minute would be a change on the screen.
        let instance = builder(options.major).setting("autovacuum", "off").start();
        let mut setting = Self::new(instance);
        setting.add_idle(SESSIONS);
        setting
    }

    /// Two hundred sessions, ten of which run short transactions that wait and change.
    pub(crate) fn live(options: &Options) -> Self {
        let mut setting = Self::new(builder(options.major).start());
        setting.add_idle(SESSIONS - BUSY);
        for number in 0..BUSY {
            let config = setting.config(number);
            let stop = Arc::clone(&setting.stop);
            setting.runtime.spawn(async move {
                let client = connect(&config).await;
                let mut step = number;
                while !stop.load(Ordering::Relaxed) {
                    work(&client, number, step).await;
                    step += 1;
                }
            });
        }
        setting
    }

    fn new(instance: TestInstance) -> Self {
        for database in DATABASES {
            instance.sql("postgres", &format!("create database {database}"));
            instance.sql(
                database,
                "create table invoice (id int primary key, name text, customer int, total int, paid bool);
                 insert into invoice select i, 'name ' || i, i % 5000, i, i % 2 = 0
                   from generate_series(1, 2000) i",
            );
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a tokio runtime can be made");
        Self { instance, sessions: Vec::new(), stop: Arc::default(), runtime }
    }

    /// Opens more sessions that are idle from now on.
    pub(crate) fn add_idle(&mut self, count: usize) {
        for number in self.sessions.len()..self.sessions.len() + count {
            let config = self.config(number);
            let client = self.runtime.block_on(async {
                let client = connect(&config).await;
                let query = LAST_QUERIES[number % LAST_QUERIES.len()];
                client.batch_execute(query).await.expect("a query of the setting runs");
                client
            });
            self.sessions.push(client);
        }
    }

    /// One transaction with two thousand locks, and a chain of sessions that wait for it.
    pub(crate) fn add_locks(&self) {
        let statements = (0..WAITING).map(|number| {
            let waits = format!("select pg_advisory_xact_lock({number})");
            match number {
                0 => "begin; select pg_advisory_xact_lock(i) from generate_series(100, 2100) i; \
                      select pg_advisory_xact_lock(1)"
                    .to_owned(),
                _ => format!("begin; select pg_advisory_xact_lock({}); {waits}", number + 1),
            }
        });
        for (number, statement) in statements.enumerate() {
            let config = self.config(number);
            self.runtime.spawn(async move {
                let client = connect(&config).await;
                // All but the first wait until the server is ended.
                let _ = client.batch_execute(&statement).await;
                std::future::pending::<()>().await;
            });
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn config(&self, number: usize) -> Config {
        let mut config = self.instance.config(DATABASES[number % DATABASES.len()]);
        config.application_name(APPLICATIONS[number % APPLICATIONS.len()]);
        config
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.sessions.clear();
    }
}

fn builder(major: Major) -> pgdeck_tests::InstanceBuilder {
    TestInstance::builder(major)
        .setting("max_connections", "600")
        .setting("shared_buffers", "128MB")
}

async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.expect("the server lets us in");
    tokio::spawn(connection);
    client
}

/// One short transaction: active for a part of a second, then idle in the transaction, then
/// idle. Lengths differ from session to session and from step to step, alike in every run.
async fn work(client: &Client, number: usize, step: usize) {
    let varied = |most: usize, salt: usize| (number * 37 + step * 53 + salt * 17) % most;
    let id = 1 + varied(1_999, 3);
    let query = format!(
        "begin; update invoice set total = total + {step} where id = {id}; \
         select pg_sleep(0.{:03})",
        200 + varied(700, 1)
    );
    let pause =
        |ms: usize| tokio::time::sleep(Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
    // The server is ended while sessions work.
    let _ = client.batch_execute(&query).await;
    pause(varied(300, 2)).await;
    let _ = client.batch_execute("commit").await;
    pause(50 + varied(400, 5)).await;
}
