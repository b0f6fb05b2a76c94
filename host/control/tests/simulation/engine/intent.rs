//! Whether an engine may be asked to do something: looked up in the store at the moment at which it is asked.

use larder_domain::docker::ObjectSpec;
use larder_domain::ports::store::{AddonStore as _, ObjectStore as _};

use super::ShakyEngine;
use super::work::{EngineWork, local_name_of};

impl ShakyEngine {
    /// The addon's row precedes the object; and what somebody keeps in a volume is theirs until they want it gone.
    pub(super) async fn check_intent(&self, work: &EngineWork) {
        let (Some(id), Some(name)) = (work.addon(), local_name_of(work.full_name())) else { return };
        let record = self.raw.addon(id).await.unwrap();
        let number = self.world.number(id);
        let Some(record) = record else {
            return self.world.holds("row_before_object", false, || format!("{work} of an addon that is not stored"));
        };
        let objects = self.raw.objects(id).await.unwrap();
        let row = objects.iter().find(|object| object.name == name);
        let is_over = record.addon.state.is_terminal() && record.addon.kept().is_none();
        match work {
            EngineWork::CreateVolume(..) | EngineWork::CreateContainer(_) | EngineWork::Start(_) => {
                self.world.holds("row_before_object", row.is_some() || is_over, || {
                    format!("{work} of addon {number}, which is to have no {name}")
                });
            }
            EngineWork::RemoveVolume(_) => {
                let is_wanted = row.is_some_and(|row| {
                    let is_volume =
                        |wanted: &larder_domain::docker::Wanted| matches!(wanted.spec, ObjectSpec::Volume(_));
                    row.can_come_back || row.wanted.as_ref().is_some_and(is_volume)
                });
                self.world.holds("data_stay", is_over || !is_wanted, || {
                    format!("the volume {name} of addon {number} is removed, which is {}", record.addon.state)
                });
            }
            EngineWork::Stop(_) | EngineWork::RemoveContainer(_) => {}
        }
    }
}
