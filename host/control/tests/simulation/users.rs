//! What users and operators wish for: whatever the API lets them, in any order, about the same few names.

use std::sync::Arc;
use std::time::Duration;

use larder_control::{Control, ControlError, CreateAddon, PatchAddon};
use larder_domain::grants::Permission;
use larder_domain::ports::store::AddonStore as _;
use larder_domain::provider::{Version, VersionState};
use larder_domain::{AddonId, AddonState, AppName, ProviderName, ProvisionType, SecretString};
use larder_store::SqlStore;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::guest::IMAGE;
use crate::invariants::all;
use crate::life::{Node, Nodes};
use crate::world::World;

/// The apps; one is an experiment of another.
pub(crate) const APPS: [&str; 3] = ["web", "web.blue", "api"];
/// The providers, and the services that they offer.
pub(crate) const PROVIDERS: [(&str, &str); 2] = [("plain", "thing"), ("docked", "database")];
/// The names that addons have.
const NAMES: [&str; 3] = ["one", "two", "three"];

#[derive(Debug, Clone, Copy)]
enum Wish {
    Create(ProvisionType),
    Update,
    Rotate,
    Delete,
    DeleteNow,
    ForceDelete,
    Undelete,
    SetVariable,
    Upload,
    DeleteApp,
    RemoveProvider,
}

/// Each as often as it is worth trying.
const WISHES: [(Wish, usize); 13] = [
    (Wish::Create(ProvisionType::Independent), 9),
    (Wish::Create(ProvisionType::Communal), 4),
    (Wish::Create(ProvisionType::Shared), 4),
    (Wish::Update, 4),
    (Wish::Rotate, 5),
    (Wish::Delete, 6),
    (Wish::DeleteNow, 2),
    (Wish::ForceDelete, 2),
    (Wish::Undelete, 5),
    (Wish::SetVariable, 2),
    (Wish::Upload, 1),
    (Wish::DeleteApp, 1),
    (Wish::RemoveProvider, 1),
];

/// The users of one world, as long as they have wishes; then until their last ones are answered.
pub(crate) async fn live(world: &Arc<World>, nodes: &Nodes) {
    let weighted: Vec<Wish> = WISHES.iter().flat_map(|(wish, weight)| std::iter::repeat_n(*wish, *weight)).collect();
    let mut asked = JoinSet::new();
    while world.state().wishes_left > 0 {
        let pause = world.within(0..=world.plan.pause_ms_max);
        sleep(Duration::from_millis(pause)).await;
        let wish = {
            let mut state = world.state();
            state.wishes_left -= 1;
            state.chance.pick(&weighted)
        };
        let Node { raw, control, seat, .. } = nodes.any(world).await;
        let user = User { world: Arc::clone(world), raw, control };
        asked.spawn(async move {
            tokio::select! {
                biased;
                () = user.wishes(wish) => {}
                () = seat.gone() => user.world.say(None, format_args!("node {} does not answer a wish", seat.node)),
            }
        });
    }
    while asked.join_next().await.is_some() {}
}

struct User {
    world: Arc<World>,
    raw: Arc<SqlStore>,
    control: Control,
}

impl User {
    async fn wishes(&self, wish: Wish) {
        let (name, granted) = match wish {
            Wish::Create(how) => ("create", self.create(how).await),
            Wish::Update => ("update", self.update().await),
            Wish::Rotate => ("rotate", self.rotate().await),
            Wish::Delete | Wish::DeleteNow | Wish::ForceDelete => ("delete", self.delete(wish).await),
            Wish::Undelete => ("undelete", self.undelete().await),
            Wish::SetVariable => ("set_variable", self.set_variable().await),
            Wish::Upload => ("upload", self.upload().await),
            Wish::DeleteApp => ("delete_app", self.delete_app().await),
            Wish::RemoveProvider => ("remove_provider", self.remove_provider().await),
        };
        let answer = match &granted {
            Ok(()) => "granted",
            Err(ControlError::Refused { code, .. }) => code.as_str(),
            Err(_) => "it failed",
        };
        self.world.say(None, format_args!("wish {name}: {answer}"));
        let mut state = self.world.state();
        let (asked, fulfilled) = state.tally.wishes.entry(name).or_default();
        (*asked, *fulfilled) = (*asked + 1, *fulfilled + u64::from(granted.is_ok()));
    }

    fn pick<T: Copy>(&self, of: &[T]) -> T {
        self.world.state().chance.pick(of)
    }

    async fn create(&self, how: ProvisionType) -> Result<(), ControlError> {
        let (provider, service) = match how {
            ProvisionType::Communal => PROVIDERS[1],
            _ => self.pick(&PROVIDERS),
        };
        let name = self.pick(&NAMES);
        let is_shared = how == ProvisionType::Shared;
        let app = if is_shared { self.pick(&["web", "api"]) } else { self.pick(&APPS) };
        let prefix = self.pick(&[None, Some(name), Some(name)]);
        let request = CreateAddon {
            app: app.parse().unwrap(),
            service: service.parse().unwrap(),
            provider: Some(provider.parse().unwrap()),
            plan: None,
            name: Some(name.parse().unwrap()),
            provision_type: Some(how),
            attach_as: prefix.map(|prefix| prefix.parse().unwrap()),
            shared_experiment: is_shared.then(|| "blue".to_owned()),
            shared_app: (is_shared && app == "api").then(|| "web".to_owned()),
            parameters: json!({ "size": self.world.within(0..=2) }).into(),
            protected: false,
            engine: None,
            idempotency: None,
        };
        let (record, _) = self.control.create_addon(request).await?;
        let is_there = self.raw.addon(record.spec.id).await.unwrap().is_some();
        self.world.holds("told_is_stored", is_there, || "an addon was created, and is not stored".to_owned());
        Ok(())
    }

    /// Some addon, of those that make it likely that the wish means something.
    async fn some(&self, is_likely: impl Fn(AddonState) -> bool) -> Option<AddonId> {
        let all = all(&self.raw).await;
        let likely: Vec<AddonId> =
            all.iter().filter(|record| is_likely(record.addon.state)).map(|record| record.spec.id).collect();
        let any: Vec<AddonId> = all.iter().map(|record| record.spec.id).collect();
        let of = if likely.is_empty() || self.world.within(0..=9) == 0 { any } else { likely };
        (!of.is_empty()).then(|| self.pick(&of))
    }

    async fn update(&self) -> Result<(), ControlError> {
        let Some(id) = self.some(|state| state == AddonState::Ready).await else { return Ok(()) };
        let parameters = Some(json!({ "size": self.world.within(0..=9) }));
        self.control
            .patch_addon(id, PatchAddon { parameters: parameters.map(Into::into), ..PatchAddon::default() })
            .await
            .map(drop)
    }

    async fn rotate(&self) -> Result<(), ControlError> {
        let Some(id) = self.some(|state| state == AddonState::Ready).await else { return Ok(()) };
        let overlap_ms = self.pick(&[0, 1_000, 20_000]);
        self.control.rotate_addon(id, overlap_ms).await.map(drop)
    }

    async fn delete(&self, wish: Wish) -> Result<(), ControlError> {
        let Some(id) = self.some(|state| !state.is_terminal()).await else { return Ok(()) };
        match wish {
            Wish::DeleteNow => self.control.delete_addon_now(id, false).await?,
            Wish::ForceDelete => self.control.delete_addon(id, true).await?,
            _ => self.control.delete_addon(id, false).await?,
        };
        let record = self.raw.addon(id).await.unwrap();
        let was_had_back = self.world.state().seen.get(&id).is_some_and(|seen| seen.was_had_back);
        let is_gone = record.is_some_and(|record| record.addon.state.is_terminal());
        self.world.holds("told_is_stored", is_gone || was_had_back, || {
            format!("addon {} was deleted, and still lives", self.world.number(id))
        });
        Ok(())
    }

    async fn undelete(&self) -> Result<(), ControlError> {
        let Some(id) = self.some(|state| state == AddonState::Deprovisioned).await else { return Ok(()) };
        self.control.undelete_addon(id).await.map(drop)
    }

    async fn set_variable(&self) -> Result<(), ControlError> {
        let (app, name) = (self.pick(&APPS), self.pick(&["THING", "ONE_THING", "TWO_DATABASE_URL"]));
        let value = (self.world.within(0..=1) == 0).then(|| SecretString::new("its own"));
        self.control.patch_app_config(&app.parse().unwrap(), vec![(name.parse().unwrap(), value)]).await
    }

    async fn upload(&self) -> Result<(), ControlError> {
        let (name, _) = self.pick(&PROVIDERS);
        let version = self.world.within(1..=3);
        upload(&self.control, name, version).await
    }

    async fn delete_app(&self) -> Result<(), ControlError> {
        let app: AppName = self.pick(&APPS).parse().unwrap();
        let deleted = self.control.delete_app(&app, true).await;
        sleep(Duration::from_secs(1)).await;
        self.control.create_app(&app).await?;
        deleted
    }

    async fn remove_provider(&self) -> Result<(), ControlError> {
        let (name, _) = self.pick(&PROVIDERS);
        let force = self.world.within(0..=1) == 0;
        let removed = self.control.remove_provider(&name.parse().unwrap(), force).await;
        let pause = self.world.within(0..=30_000);
        sleep(Duration::from_millis(pause)).await;
        provide(&self.control, name).await?;
        removed
    }
}

/// Sees to it that there is a provider with all that it needs. Whether it serves by now.
pub(crate) async fn provide(control: &Control, name: &str) -> Result<bool, ControlError> {
    let provider: ProviderName = name.parse().unwrap();
    let is_usable = |version: &Version| version.state != VersionState::Refused;
    if !control.provider(&provider).await.is_ok_and(|known| known.versions.iter().any(is_usable)) {
        upload(control, name, 1).await?;
    }
    let known = control.provider(&provider).await?;
    if name == "docked" && known.grants.is_empty() {
        let grants = ["volumes=1", IMAGE].map(|value| Permission::parse("docker", value).unwrap()).to_vec();
        control.set_grants(&provider, grants, known.revision).await?;
    }
    Ok(control.provider(&provider).await?.active().is_some())
}

async fn upload(control: &Control, name: &str, version: u64) -> Result<(), ControlError> {
    control.upload(&name.parse().unwrap(), format!("{name} {version}").into_bytes()).await.map(drop)
}
