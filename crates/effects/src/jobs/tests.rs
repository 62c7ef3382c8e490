//! Jobs on both databases: each effect once, whoever dies.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kernel::{Actor, Error, SystemClock};
use storage::migrate::{Migration, Migrations};
use storage::{Database, DatabaseUrl, StoreError};

use super::*;
use crate::jobs::table::{Counted, Table};
use crate::log::events;
use crate::tests::{both_of, open, run};
use crate::{COMMON_POSTGRES, COMMON_SQLITE, Effects, JOBS_POSTGRES, JOBS_SQLITE, TAGS};

/// A service with one table: what its jobs did, as often as they did it.
const WORKSHOP: Migrations = Migrations {
    sqlite: &[
        Migration { version: 1, name: "common", sql: COMMON_SQLITE },
        Migration { version: 2, name: "jobs", sql: JOBS_SQLITE },
        Migration { version: 3, name: "made", sql: "create table made (thing integer not null)" },
    ],
    postgres: &[
        Migration { version: 1, name: "common", sql: COMMON_POSTGRES },
        Migration { version: 2, name: "jobs", sql: JOBS_POSTGRES },
        Migration { version: 3, name: "made", sql: "create table made (thing bigint not null)" },
    ],
    additions: &[TAGS],
};
const MAKE: &str = "make";
/// Short, so that what died is taken over soon; a hundred times what a job here takes.
const LEASE: Duration = Duration::from_millis(600);
const PATIENCE: Duration = Duration::from_secs(60);

fn context() -> Context {
    Context::new(Arc::new(SystemClock))
}

fn job(thing: i64) -> Job {
    Job::new(&context(), MAKE, &thing).unwrap()
}

fn queue() -> Queue {
    Queue { tries: 3, pause: Duration::from_millis(2), ..Queue::new(MAKE) }
}

fn runner(database: &Database, queue: Queue, work: impl Work) -> Runner {
    Runner::new(database.clone(), context(), "/workshop").with_lease(LEASE).queue(queue, work)
}

async fn enqueue(database: &Database, jobs: Vec<Job>) {
    Effects { jobs, ..Effects::default() }.write(database).await.unwrap();
}

/// Writes down that a thing was made, and ends the job by it.
async fn make(database: &Database, thing: i64, lease: Lease) -> Result<(), StoreError> {
    const INSERT: &str = "insert into made values ($1)";
    let effects = Effects { done: Some(lease), ..Effects::default() };
    match database {
        Database::Sqlite(db) => {
            db.write(move |connection| {
                connection.execute(INSERT, [thing])?;
                effects.write_sqlite(connection)
            })
            .await
        }
        Database::Postgres(db) => {
            let mut transaction = db.begin().await?;
            transaction.execute(INSERT, &[&thing]).await?;
            let made = effects.write_postgres(&mut transaction).await;
            transaction.end(made).await
        }
    }
}

/// What was made, in order.
async fn made(database: &Database) -> Vec<i64> {
    const ALL: &str = "select thing from made order by thing";
    match database {
        Database::Sqlite(db) => db
            .read_point(|connection| {
                let mut statement = connection.prepare(ALL)?;
                let things = statement.query_map([], |row| row.get(0))?;
                Ok(things.collect::<Result<_, _>>()?)
            })
            .unwrap(),
        Database::Postgres(db) => db.query(ALL, &[]).await.unwrap().iter().map(|row| row.get(0)).collect(),
    }
}

async fn all(database: &Database) -> Vec<Record> {
    Table(database).list(Filter::default(), Uuid::max(), 100_000).await.unwrap()
}

/// Waits until `fits`, and fails with what is there instead after a minute.
async fn until(database: &Database, fits: impl Fn(&[Record]) -> bool) -> Vec<Record> {
    let started = Instant::now();
    loop {
        let records = all(database).await;
        if fits(&records) {
            return records;
        }
        assert!(started.elapsed() < PATIENCE, "{} jobs, the first {:?}", records.len(), records.first());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

struct Maker(Database);

#[async_trait]
impl Work for Maker {
    async fn run(&self, job: &Record) -> Result<Done, Failed> {
        make(&self.0, job.read()?, job.lease()).await.map_err(Error::from)?;
        Ok(Done::WithEffect)
    }
}

/// Does what a closure says.
struct Doing<F>(F);

#[async_trait]
impl<F, R> Work for Doing<F>
where
    F: Fn(Record) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Done, Failed>> + Send + 'static,
{
    async fn run(&self, job: &Record) -> Result<Done, Failed> {
        self.0(job.clone()).await
    }
}

#[test]
fn what_is_enqueued_in_a_transaction_that_is_undone_never_runs() {
    run(async {
        let (_folder, databases) = both_of(&WORKSHOP).await;
        for (_, database) in databases {
            let workers = runner(&database, queue(), Maker(database.clone())).start();
            for thing in 0..40 {
                let effects = Effects { jobs: vec![job(thing)], ..Effects::default() };
                let undone = thing % 2 == 1;
                let refused = || StoreError::Conflict("refused".into());
                let result = match &database {
                    Database::Sqlite(db) => {
                        db.write(move |connection| {
                            effects.write_sqlite(connection)?;
                            if undone { Err(refused()) } else { Ok(()) }
                        })
                        .await
                    }
                    Database::Postgres(db) => {
                        let mut transaction = db.begin().await.unwrap();
                        effects.write_postgres(&mut transaction).await.unwrap();
                        transaction.end(if undone { Err(refused()) } else { Ok(()) }).await
                    }
                };
                assert_eq!(result.is_err(), undone);
            }
            until(&database, <[Record]>::is_empty).await;
            workers.stop(PATIENCE).await;
            assert_eq!(made(&database).await, (0..40).step_by(2).collect::<Vec<_>>());
        }
    });
}

#[test]
fn what_always_fails_is_parked_after_its_tries_and_can_be_replayed() {
    run(async {
        let (_folder, databases) = both_of(&WORKSHOP).await;
        for (_, database) in databases {
            let (tries, mended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let work = {
                let (database, tries, mended) = (database.clone(), Arc::clone(&tries), Arc::clone(&mended));
                move |job: Record| {
                    let (maker, tries, mended) = (Maker(database.clone()), Arc::clone(&tries), Arc::clone(&mended));
                    async move {
                        match (mended.load(Ordering::Relaxed), tries.fetch_add(1, Ordering::Relaxed)) {
                            (1, _) => maker.run(&job).await,
                            (_, 1) => panic!("a defect"),
                            _ => Err(Failed::Retry("the machine is broken".into())),
                        }
                    }
                }
            };
            let workers = runner(&database, queue(), Doing(work)).start();
            enqueue(&database, vec![job(7)]).await;
            let parked = until(&database, |jobs| jobs.iter().any(|job| job.parked_at.is_some())).await;
            assert_eq!(tries.load(Ordering::Relaxed), 3);
            assert_eq!((parked[0].attempts, parked[0].error.as_deref()), (3, Some("the machine is broken")));
            assert_eq!(parked[0].state(), State::Parked);
            let only = |queue: &str, state| Filter { queue: Some(queue.into()), state: Some(state) };
            let admin = LocalJobAdmin::new(database.clone(), context(), "/workshop");
            assert_eq!(admin.list(&only(MAKE, State::Parked), None, 10).await.unwrap(), parked);
            assert_eq!(admin.list(&only(MAKE, State::Waiting), None, 10).await.unwrap(), []);
            assert_eq!(admin.list(&only("other", State::Parked), None, 10).await.unwrap(), []);
            assert_eq!(admin.list(&Filter::default(), Some(parked[0].id), 10).await.unwrap(), []);
            assert_eq!(admin.get(parked[0].id).await.unwrap().as_ref(), parked.first());
            let counted = Table(&database).count(MAKE).await.unwrap();
            assert_eq!((counted.pending, counted.parked, counted.due_since), (0, 1, None));

            mended.store(1, Ordering::Relaxed);
            let replayed = admin.replay(parked[0].id, Actor::System, None).await.unwrap();
            assert_eq!((replayed.state(), replayed.attempts), (State::Waiting, 0));
            until(&database, <[Record]>::is_empty).await;
            assert_eq!(made(&database).await, [7]);
            assert!(matches!(admin.replay(parked[0].id, Actor::System, None).await, Err(Error::NotFound)));
            enqueue(&database, vec![Job { due_at: context().now().after(PATIENCE), ..job(8) }]).await;
            let waiting = all(&database).await[0].id;
            assert!(matches!(admin.replay(waiting, Actor::System, None).await, Err(Error::Conflict(_))));
            workers.stop(PATIENCE).await;
            for (kind, version) in [("job.parked", parked[0].claims), ("job.replayed", replayed.claims)] {
                let told = events::at_version(&database, &subject(replayed.id), version).await.unwrap().unwrap();
                assert!(String::from_utf8(told).unwrap().contains(kind), "{kind}");
            }
        }
    });
}

#[test]
fn what_is_hopeless_is_parked_at_once_and_what_kills_its_workers_too() {
    run(async {
        let (_folder, databases) = both_of(&WORKSHOP).await;
        for (_, database) in databases {
            let unreadable = Job { payload: r#""seven""#.into(), ..job(0) };
            let deadly = job(1);
            enqueue(&database, vec![deadly.clone()]).await;
            // Workers that took it and were never heard of again.
            for _ in 0..3 {
                let now = context().now();
                let taken = Table(&database).claim((MAKE, Priority::Normal), now, now, "dead", 10).await.unwrap();
                assert!(taken.iter().any(|job| job.id == deadly.id));
            }
            enqueue(&database, vec![unreadable.clone()]).await;
            let workers = runner(&database, queue(), Maker(database.clone())).start();
            let parked = until(&database, |jobs| jobs.iter().all(|job| job.parked_at.is_some())).await;
            workers.stop(PATIENCE).await;
            let admin = LocalJobAdmin::new(database.clone(), context(), "/workshop");
            admin.discard(unreadable.id, Actor::System, None).await.unwrap();
            assert!(matches!(admin.discard(unreadable.id, Actor::System, None).await, Err(Error::NotFound)));
            let replayed = admin.replay(deadly.id, Actor::System, None).await.unwrap();
            assert_eq!(admin.replay(deadly.id, Actor::System, None).await.unwrap(), replayed, "twice is once");
            assert!(matches!(admin.discard(deadly.id, Actor::System, None).await, Err(Error::Conflict(_))));
            let why = |id| parked.iter().find(|job| job.id == id).and_then(|job| job.error.clone()).unwrap();
            assert!(why(deadly.id).contains("died") && why(unreadable.id).contains("payload"), "{parked:?}");
            assert!(made(&database).await.is_empty());
        }
    });
}

#[test]
fn a_stuck_lease_is_taken_over_and_who_lost_it_changes_nothing() {
    run(async {
        let (_folder, databases) = both_of(&WORKSHOP).await;
        for (_, database) in databases {
            enqueue(&database, vec![job(1)]).await;
            let now = context().now();
            let stuck =
                Table(&database).claim((MAKE, Priority::Normal), now, now.after(LEASE), "stuck", 1).await.unwrap();
            let [stuck] = stuck.as_slice() else { panic!("{stuck:?}") };
            let workers = runner(&database, queue(), Maker(database.clone())).start();
            tokio::time::sleep(LEASE / 3).await;
            assert!(made(&database).await.is_empty(), "its lease holds");
            until(&database, <[Record]>::is_empty).await;
            assert_eq!(made(&database).await, [1]);
            let late = make(&database, 1, stuck.lease()).await.unwrap_err();
            assert!(late.is_conflict_on(table::LOST), "{late}");
            assert_eq!(made(&database).await, [1], "the effect of who lost it is undone");
            assert!(!Table(&database).settle(stuck.lease(), None, Vec::new()).await.unwrap());
            workers.stop(PATIENCE).await;
            // Nor does a renewal that comes too late put off what was left for later.
            enqueue(&database, vec![job(2)]).await;
            let now = context().now();
            let taken =
                Table(&database).claim((MAKE, Priority::Normal), now, now.after(LEASE), "slow", 1).await.unwrap();
            let left = table::Left { due_at: now, attempts: 1, error: None, parked_at: None };
            assert!(Table(&database).settle(taken[0].lease(), Some(left), Vec::new()).await.unwrap());
            Table(&database).renew(vec![taken[0].lease()], now.after(PATIENCE)).await.unwrap();
            assert_eq!(all(&database).await[0].due_at, now);
        }
    });
}

#[test]
fn a_job_that_takes_longer_than_its_lease_is_held_on_to_and_one_that_hangs_is_not() {
    run(async {
        let (_folder, databases) = both_of(&WORKSHOP).await;
        for (_, database) in databases {
            let runs = Arc::new(AtomicUsize::new(0));
            let work = |hang: Duration| {
                let (database, runs) = (database.clone(), Arc::clone(&runs));
                Doing(move |job: Record| {
                    let (maker, runs) = (Maker(database.clone()), Arc::clone(&runs));
                    async move {
                        runs.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(hang).await;
                        maker.run(&job).await
                    }
                })
            };
            let both: Vec<Workers> = (0..2).map(|_| runner(&database, queue(), work(LEASE * 3)).start()).collect();
            enqueue(&database, vec![job(1)]).await;
            until(&database, <[Record]>::is_empty).await;
            assert_eq!((runs.load(Ordering::Relaxed), made(&database).await), (1, vec![1]));
            for workers in both {
                workers.stop(PATIENCE).await;
            }
            let short = Queue { patience: Duration::from_millis(50), ..queue() };
            let workers = runner(&database, short, work(PATIENCE)).start();
            enqueue(&database, vec![job(2)]).await;
            let parked = until(&database, |jobs| jobs.iter().any(|job| job.parked_at.is_some())).await;
            assert!(parked[0].error.as_ref().is_some_and(|error| error.contains("longer than")), "{parked:?}");
            workers.stop(PATIENCE).await;
        }
    });
}

/// As after a jump of the clock: the process takes what it works on.
#[test]
fn a_job_that_is_taken_twice_by_one_process_ends_once() {
    run(async {
        let (_folder, databases) = both_of(&WORKSHOP).await;
        for (_, database) in databases {
            let runs = Arc::new(AtomicUsize::new(0));
            let work = {
                let (database, runs) = (database.clone(), Arc::clone(&runs));
                move |job: Record| {
                    let (maker, runs) = (Maker(database.clone()), Arc::clone(&runs));
                    async move {
                        // The first loses its job; the second takes longer than a lease.
                        let pause = if runs.fetch_add(1, Ordering::SeqCst) == 0 { LEASE / 2 } else { LEASE * 2 };
                        tokio::time::sleep(pause).await;
                        maker.run(&job).await
                    }
                }
            };
            let workers = runner(&database, queue(), Doing(work)).start();
            enqueue(&database, vec![job(1)]).await;
            let running = until(&database, |jobs| jobs[0].state() == State::Running).await;
            Table(&database).renew(vec![running[0].lease()], context().now()).await.unwrap();
            until(&database, <[Record]>::is_empty).await;
            workers.stop(PATIENCE).await;
            assert_eq!((runs.load(Ordering::SeqCst), made(&database).await), (2, vec![1]));
        }
    });
}

#[test]
fn the_urgent_go_first_nobody_too_early_and_no_more_than_there_are_places() {
    run(async {
        let (_folder, databases) = both_of(&WORKSHOP).await;
        for (_, database) in databases {
            let mut jobs = Vec::new();
            for thing in 0..30 {
                let priority = Priority::ALL[2 - thing as usize % 3];
                jobs.push(Job { priority, ..job(thing) });
            }
            jobs.push(Job { priority: Priority::High, due_at: context().now().after(PATIENCE), ..job(99) });
            enqueue(&database, jobs).await;
            let order = Arc::new(std::sync::Mutex::new(Vec::new()));
            let (busy, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let work = {
                let (database, order) = (database.clone(), Arc::clone(&order));
                let (busy, most) = (Arc::clone(&busy), Arc::clone(&most));
                move |job: Record| {
                    order.lock().unwrap().push(job.priority as usize);
                    most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let (maker, busy) = (Maker(database.clone()), Arc::clone(&busy));
                    async move {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        busy.fetch_sub(1, Ordering::SeqCst);
                        maker.run(&job).await
                    }
                }
            };
            let workers = runner(&database, Queue { places: 2, ..queue() }, Doing(work)).start();
            until(&database, |jobs| jobs.len() == 1).await;
            workers.stop(PATIENCE).await;
            assert_eq!(made(&database).await, (0..30).collect::<Vec<_>>(), "what is not due stays");
            assert_eq!(most.load(Ordering::SeqCst), 2);
            // Two run side by side, so neighbours may change places.
            let order = order.lock().unwrap().clone();
            assert!(order.windows(3).all(|three| three[0] <= three[2]), "{order:?}");
        }
    });
}

#[test]
fn who_is_asked_to_stop_finishes_and_what_does_not_end_is_due_again() {
    run(async {
        let (_folder, databases) = both_of(&WORKSHOP).await;
        for (_, database) in databases {
            let work = {
                let database = database.clone();
                move |job: Record| {
                    let maker = Maker(database.clone());
                    async move {
                        let thing: u64 = job.read()?;
                        tokio::time::sleep(Duration::from_millis(thing)).await;
                        maker.run(&job).await
                    }
                }
            };
            let workers = runner(&database, queue(), Doing(work)).start();
            enqueue(&database, vec![job(200), job(60_000)]).await;
            until(&database, |jobs| jobs.iter().all(|job| job.state() == State::Running)).await;
            enqueue(&database, vec![job(1)]).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            workers.stop(Duration::from_secs(1)).await;
            let left = all(&database).await;
            let [endless] = left.as_slice() else { panic!("{left:?}") };
            assert_eq!((endless.payload.as_str(), endless.state(), endless.attempts), ("60000", State::Waiting, 0));
            assert!(endless.due_at <= context().now());
            enqueue(&database, vec![job(2)]).await;
            tokio::time::sleep(Duration::from_millis(400)).await;
            assert_eq!(made(&database).await, [1, 200], "nothing is taken after the stop");
        }
    });
}

#[test]
fn a_periodic_job_is_done_again_and_again_by_one_at_a_time() {
    run(async {
        let (_folder, databases) = both_of(&WORKSHOP).await;
        for (_, database) in databases {
            let (runs, busy) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let every = |period| {
                let (runs, busy) = (Arc::clone(&runs), Arc::clone(&busy));
                let work = move || {
                    assert_eq!(busy.fetch_add(1, Ordering::SeqCst), 0, "two at a time");
                    let (runs, busy) = (Arc::clone(&runs), Arc::clone(&busy));
                    async move {
                        tokio::time::sleep(Duration::from_millis(3)).await;
                        busy.fetch_sub(1, Ordering::SeqCst);
                        match runs.fetch_add(1, Ordering::SeqCst) % 3 {
                            0 => Err(Error::Unavailable("now and then".into())),
                            _ => Ok(()),
                        }
                    }
                };
                Runner::new(database.clone(), context(), "/workshop").with_lease(LEASE).every("tidy", period, work)
            };
            let both: Vec<Workers> = (0..2).map(|_| every(Duration::from_millis(10)).start()).collect();
            let started = Instant::now();
            while runs.load(Ordering::SeqCst) < 12 {
                assert!(started.elapsed() < PATIENCE);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            for workers in both {
                workers.stop(PATIENCE).await;
            }
            let jobs = all(&database).await;
            let [tidy] = jobs.as_slice() else { panic!("{jobs:?}") };
            assert_eq!((tidy.queue.as_str(), tidy.period, tidy.parked_at), ("tidy", Some(10_000), None));
            // Somebody's clock was years ahead.
            let far = context().now().after(PATIENCE * 1_000_000);
            let left = table::Left { due_at: far, attempts: 0, error: None, parked_at: None };
            assert!(Table(&database).settle(tidy.lease(), Some(left), Vec::new()).await.unwrap());
            let workers = every(Duration::from_millis(10)).start();
            until(&database, |jobs| jobs[0].claims > tidy.claims + 1 && jobs[0].worker.is_none()).await;
            workers.stop(PATIENCE).await;
            // A release that does it less often.
            let workers = every(Duration::from_secs(3_600)).start();
            let changed = |jobs: &[Record]| jobs[0].period == Some(3_600_000_000) && jobs[0].worker.is_none();
            until(&database, |jobs| changed(jobs) && jobs[0].due_at > context().now().after(PATIENCE)).await;
            workers.stop(PATIENCE).await;
        }
    });
}

#[test]
fn pauses_double_up_to_an_hour_and_a_part_is_chance() {
    let queue = Queue::new(MAKE);
    let bounds =
        |attempts| (queue.pause_after(attempts, 0).as_secs_f64(), queue.pause_after(attempts, u64::MAX).as_secs_f64());
    assert_eq!(bounds(1), (1.0, 2.0));
    assert_eq!(bounds(2), (2.0, 4.0));
    assert_eq!(bounds(5), (16.0, 32.0));
    assert_eq!(bounds(60), (1_800.0, 3_600.0));
    let longest: f64 = (1..queue.tries).map(|attempts| bounds(attempts).1).sum();
    assert!((3_600.0..7_200.0).contains(&longest), "{longest}");
}

/// A process of [`each_effect_happens_once_although_workers_are_killed`].
#[test]
#[ignore = "it is started by the test that kills it"]
fn a_worker_to_kill() {
    let url = std::env::var("PRIMETRADE_TEST_WORKSHOP").unwrap();
    run(async {
        let database = open(&url.parse().unwrap()).await;
        let queue = Queue { tries: 1_000, ..queue() };
        let _workers = runner(&database, queue, Maker(database.clone())).start();
        std::future::pending::<()>().await;
    });
}

fn start_worker(url: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "jobs::tests::a_worker_to_kill", "--ignored", "--test-threads=1"])
        .env("PRIMETRADE_TEST_WORKSHOP", url)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// By default a tenth of what is asked for; `PRIMETRADE_TEST_JOBS=20000` makes it whole.
#[test]
fn each_effect_happens_once_although_workers_are_killed() {
    let count: i64 = std::env::var("PRIMETRADE_TEST_JOBS").map_or(2_000, |count| count.parse().unwrap());
    let kills = count / 400;
    run(async {
        let (_folder, databases) = both_of(&WORKSHOP).await;
        for (url, database) in databases {
            let url = match url {
                DatabaseUrl::Sqlite(folder) => format!("sqlite:{}", folder.display()),
                DatabaseUrl::Postgres(url) => url,
            };
            let mut workers = [start_worker(&url), start_worker(&url)];
            for jobs in (0..count).map(job).collect::<Vec<_>>().chunks(100) {
                enqueue(&database, jobs.to_vec()).await;
            }
            for kill in 0..kills {
                // Each is killed while there is something left to do.
                let (started, done) = (Instant::now(), (kill + 1) * count / (kills + 1));
                while (made(&database).await.len() as i64) < done {
                    assert!(started.elapsed() < PATIENCE, "{kill} of {kills}");
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                let victim = &mut workers[kill as usize % 2];
                victim.kill().unwrap();
                victim.wait().unwrap();
                *victim = start_worker(&url);
            }
            let started = Instant::now();
            while Table(&database).count(MAKE).await.unwrap().pending > 0 {
                assert!(started.elapsed() < 2 * PATIENCE);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            for mut worker in workers {
                worker.kill().unwrap();
                worker.wait().unwrap();
            }
            assert_eq!(made(&database).await, (0..count).collect::<Vec<_>>());
            assert_eq!(Table(&database).count(MAKE).await.unwrap(), Counted::default());
        }
    });
}
