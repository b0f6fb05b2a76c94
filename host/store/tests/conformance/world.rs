//! An empty store to test, and short words for what tests do all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use larder_domain::addon::{AnyVariable, ComponentKind, DeclaredVariables, ProvisionType, Role};
use larder_domain::config::{AddonConfig, Credential, Variable};
use larder_domain::ids::NodeId;
use larder_domain::ports::Store;
use larder_domain::ports::StoreError;
use larder_domain::ports::store::{AppStore as _, Applied, Change, Created, Fence, Leased, NewAddon};
use larder_domain::quota::AppUse;
use larder_domain::secret::{GuestState, Seed};
use larder_domain::work::Lease;
use larder_domain::{
    Addon, AddonId, AddonRecord, AddonSpec, AppName, Event, Grace, Next, ProviderName, SecretString, Step,
    VariableName, WallTime,
};
use larder_store::{ManualClock, SqlStore};
use serde_json::json;

type Open = Box<dyn Fn() -> Arc<dyn Store> + Send>;

/// A store, its clock, and a node that works on it.
pub(crate) struct World {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) node: NodeId,
    open: Open,
}

/// An addon's step under a lease.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) lease: Lease,
    pub(crate) record: AddonRecord,
    pub(crate) seed: Seed,
    pub(crate) state: Option<GuestState>,
    pub(crate) step: Step,
}

impl World {
    pub(crate) fn new(clock: Arc<ManualClock>, open: Open) -> Self {
        let store = open();
        Self { node: store.node(), store, clock, open }
    }

    /// Closes the store and opens it again.
    pub(crate) fn restart(self) -> Self {
        let Self { store, clock, open, .. } = self;
        assert_eq!(Arc::strong_count(&store), 1, "the store is still in use");
        drop(store);
        Self::new(clock, open)
    }

    pub(crate) async fn app(&self, name: &str) -> AppName {
        let app = name.parse().unwrap();
        self.store.create_app(&app).await.unwrap();
        app
    }

    /// Creates an addon that must be allowed.
    pub(crate) async fn create(&self, new: NewAddon) -> AddonId {
        match self.store.create_addon(new).await.unwrap().unwrap() {
            Created::New(record) => record.spec.id,
            Created::Replayed(record) => panic_with(&format!("{record:?} was there")),
        }
    }

    /// Leases one piece of work, which must be an addon's.
    pub(crate) async fn turn(&self) -> Option<Turn> {
        self.turns(1).await.pop()
    }

    pub(crate) async fn turns(&self, count_max: usize) -> Vec<Turn> {
        let leased = self.store.lease_due(self.node, count_max, vec![]).await.unwrap();
        leased.into_iter().map(turn).collect()
    }

    /// Applies a worker's result.
    pub(crate) async fn result(&self, lease: &Lease, event: Event) -> Result<Applied, StoreError> {
        self.store.apply(change(subject(lease), event, Fence::Lease(lease.clone()))).await
    }

    pub(crate) async fn delete(&self, id: AddonId) -> Applied {
        self.store.apply(change(id, Event::DeprovisionRequested, Fence::User)).await.unwrap()
    }

    /// Deletes an addon that can be had back for so long.
    pub(crate) async fn delete_later(&self, id: AddonId, ms: u64) -> Applied {
        let grace = Grace::of(ms, self.store.now(), self.store.wall()).unwrap();
        self.store.apply(change(id, Event::DeprovisionLater(grace), Fence::User)).await.unwrap()
    }

    /// Drives the one addon that is due up to `provisioned`, under a lease that it returns.
    pub(crate) async fn provision(&self, config: AddonConfig) -> (Turn, Applied) {
        let turn = self.turn().await.unwrap();
        self.result(&turn.lease, Event::Begun { message: "begun".into() }).await.unwrap();
        let applied = self.result(&turn.lease, Event::Configured(Box::new(config))).await.unwrap();
        (turn, applied)
    }

    /// Creates an addon and drives it until it is ready. Nothing else may be due.
    pub(crate) async fn ready(&self, new: NewAddon, config: AddonConfig) -> AddonId {
        let id = self.create(new).await;
        let (turn, applied) = self.provision(config).await;
        assert_eq!((turn.record.spec.id, applied.next), (id, Next::Do(Step::SetVariables)));
        let applied = self.result(&turn.lease, Event::VariablesSet).await.unwrap();
        assert_eq!(applied.next, Next::Rest);
        id
    }

    /// What an app sees, as `NAME=value` in order of names.
    pub(crate) async fn sees(&self, app: &AppName) -> Vec<String> {
        let variables = self.store.app_config(app).await.unwrap().unwrap();
        variables.into_iter().map(|v| format!("{}={}", v.name, v.value.reveal())).collect()
    }
}

/// A new addon `db` of provider `pg` for the app, without variables.
pub(crate) fn new_addon(world: &World, app: Option<&AppName>) -> NewAddon {
    let id = AddonId::generate();
    let spec = AddonSpec {
        id,
        kind: ComponentKind::Provider,
        app: app.cloned(),
        name: "db".parse().unwrap(),
        provider: "pg".parse().unwrap(),
        service: "postgres".parse().unwrap(),
        plan: "small".parse().unwrap(),
        provision_type: ProvisionType::Independent,
        role: Role::User,
        attach_as: None,
        parameters: json!({ "size": 3 }).into(),
        variables: DeclaredVariables::Names(vec![]),
        protected: false,
        external_id: None,
        parent: None,
        created_at: WallTime(1_000),
    };
    let addon = Addon::new(id, 900_000, 3, world.store.now());
    NewAddon {
        spec,
        addon,
        seed: Seed([9; 32]),
        server: None,
        engine: None,
        reserve: vec![],
        app_addons_max: u64::MAX,
        idempotency: None,
    }
}

/// Sets both variables of an app to the same number, again and again.
pub(crate) async fn write_pairs(store: &SqlStore, app: &AppName, written: &AtomicU64, until: &AtomicU64) {
    for number in 1.. {
        let value = || Some(SecretString::new(format!("{number}")));
        let pair = vec![("A".parse().unwrap(), value()), ("B".parse().unwrap(), value())];
        store.patch_app_config(app, pair).await.unwrap().unwrap();
        written.store(number, Ordering::SeqCst);
        if until.load(Ordering::SeqCst) == 0 {
            return;
        }
    }
}

/// What stands there now.
pub(crate) async fn pair(store: &SqlStore, app: &AppName) -> [u64; 2] {
    let config = store.app_config(app).await.unwrap().unwrap();
    let value = |name: &str| config.iter().find(|v| v.name.as_str() == name).unwrap().value.reveal().parse().unwrap();
    [value("A"), value("B")]
}

/// So many live addons of an app that has no quota of its own.
pub(crate) fn used(addons: u64) -> AppUse {
    AppUse { addons, addons_max: None }
}

/// Words that change a new addon.
pub(crate) trait Build {
    fn named(self, name: &str) -> Self;
    fn by(self, provider: &str) -> Self;
    fn declares(self, names: &[&str]) -> Self;
    fn declares_any(self) -> Self;
}

impl Build for NewAddon {
    fn named(mut self, name: &str) -> Self {
        self.spec.name = name.parse().unwrap();
        self
    }

    fn by(mut self, provider: &str) -> Self {
        self.spec.provider = provider.parse().unwrap();
        self
    }

    fn declares(mut self, names: &[&str]) -> Self {
        let names: Vec<VariableName> = names.iter().map(|name| name.parse().unwrap()).collect();
        self.spec.variables = DeclaredVariables::Names(names.clone());
        self.reserve = names;
        self
    }

    fn declares_any(mut self) -> Self {
        self.spec.variables = DeclaredVariables::Any(AnyVariable::Any);
        self
    }
}

/// A configuration with these variables and a credential.
pub(crate) fn config(variables: &[(&str, &str)]) -> AddonConfig {
    let variable = |(name, value): &(&str, &str)| Variable {
        name: name.parse().unwrap(),
        value: SecretString::new(*value),
        secret: true,
    };
    let uri = Credential { key: "uri".into(), value: SecretString::new("pg://credential"), secret: true };
    AddonConfig { variables: variables.iter().map(variable).collect(), credentials: vec![uri] }
}

pub(crate) fn change(addon: AddonId, event: Event, fence: Fence) -> Change {
    Change::new(addon, event, fence)
}

pub(crate) fn provider(name: &str) -> ProviderName {
    name.parse().unwrap()
}

pub(crate) fn turn(leased: Leased) -> Turn {
    match leased {
        Leased::Addon { lease, record, seed, state, next: Next::Do(step), .. } => {
            Turn { lease, record: *record, seed, state, step }
        }
        other => panic_with(&format!("{other:?} is no addon's step")),
    }
}

pub(crate) fn subject(lease: &Lease) -> AddonId {
    match lease.subject {
        larder_domain::work::Subject::Addon(id) => id,
        ref other => panic_with(&format!("{other} is no addon")),
    }
}

pub(crate) fn other_node(world: &World) -> NodeId {
    let node = NodeId::generate();
    assert_ne!(node, world.node);
    node
}

#[expect(clippy::panic, reason = "a test that can't go on is to say why")]
pub(crate) fn panic_with(what: &str) -> ! {
    panic!("{what}")
}
