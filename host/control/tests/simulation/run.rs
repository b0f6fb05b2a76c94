//! One run from its seed, and many of them.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use larder_store::MemoryDatabase;
use tokio::runtime::Builder;
use tokio::time::sleep;

use crate::life::{self, End};
use crate::plants::Plant;
use crate::tally::Tally;
use crate::users::{APPS, PROVIDERS, provide};
use crate::world::World;

/// What came of a run.
pub(crate) struct Ran {
    pub(crate) tally: Tally,
    /// What was not as it must be; nothing, if all went well.
    pub(crate) violations: Vec<String>,
    /// The same for runs that went the same way.
    pub(crate) hash: u64,
    pub(crate) lines: Vec<String>,
}

thread_local! {
    /// Where this thread panicked last.
    static PANICKED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs what a seed decides; `is_told` keeps what happened.
pub(crate) fn run(seed: u64, plant: Option<Plant>, is_told: bool) -> Ran {
    hear_of_panics();
    let database = template().lock().unwrap().copy().unwrap();
    let world = World::new(seed, plant, database, is_told);
    let lived = catch_unwind(AssertUnwindSafe(|| lives(&world)));
    let panicked = PANICKED.take().or_else(|| lived.is_err().then(|| "somewhere".to_owned()));
    let mut state = world.state();
    if let Some(at) = panicked {
        state.violations.push(format!("nobody_panics: {at}"));
    }
    let (tally, violations) = (state.tally.clone(), state.violations.clone());
    Ran { tally, violations, hash: state.trace.hash(), lines: state.trace.lines().to_vec() }
}

fn lives(world: &Arc<World>) {
    loop {
        let before = (world.plant == Some(Plant::NotDurable)).then(|| world.database.lock().unwrap().copy().unwrap());
        if life::live(world) == End::Rested || !world.state().violations.is_empty() {
            return;
        }
        if let Some(before) = before {
            *world.database.lock().unwrap() = before;
        }
    }
}

/// A task's panic ends that task alone, and a host goes on without it; a simulation does not.
fn hear_of_panics() {
    static HEARD: OnceLock<()> = OnceLock::new();
    HEARD.get_or_init(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICKED.with(|panicked| *panicked.borrow_mut() = Some(panic.to_string()));
            usual(panic);
        }));
    });
}

/// A database in which providers serve and apps are there. Made once, by a host with which nothing goes wrong.
fn template() -> &'static Mutex<MemoryDatabase> {
    static TEMPLATE: OnceLock<Mutex<MemoryDatabase>> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let world = World::new(0, None, MemoryDatabase::new().unwrap(), false);
        world.calm_down();
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            world.is_born();
            let node = life::start(&world, 0).await;
            for app in APPS {
                node.control.create_app(&app.parse().unwrap()).await.unwrap();
            }
            for (name, _) in PROVIDERS {
                while !provide(&node.control, name).await.unwrap() {
                    sleep(Duration::from_millis(100)).await;
                }
            }
        });
        drop(runtime);
        let copy = world.database.lock().unwrap().copy().unwrap();
        Mutex::new(copy)
    })
}
