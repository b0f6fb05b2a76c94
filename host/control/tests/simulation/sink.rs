//! The apps' platform, to which variables are pushed.

use async_trait::async_trait;
use larder_domain::config::Variable;
use larder_domain::ports::{AppSink, SinkError};
use larder_domain::{AddonId, AppName};

use crate::faults::Fault;
use crate::seat::Seat;
use crate::world::World;

/// The platform as the host sees it.
pub(crate) struct Platform(pub(crate) Seat);

impl Platform {
    async fn change(&self, addon: AddonId, what: &str, change: impl FnOnce(&World)) -> Result<(), SinkError> {
        let world = &self.0;
        if !world.plan.tells_platform {
            return Ok(());
        }
        world.step().await;
        world.may_wait(Fault::SinkSlow, 100..=20_000).await;
        if world.strikes(Fault::SinkFails) {
            return Err(SinkError("the platform does not answer".to_owned()));
        }
        world.step().await;
        change(world);
        world.say(Some(addon), format_args!("platform.{what}"));
        if world.strikes(Fault::SinkAnswerLost) {
            return Err(SinkError("the platform does not answer".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl AppSink for Platform {
    async fn set(&self, _: &AppName, addon: AddonId, _: &[Variable]) -> Result<(), SinkError> {
        self.change(addon, "set", |world| world.state().platform.extend([addon])).await
    }

    async fn unset(&self, _: &AppName, addon: AddonId) -> Result<(), SinkError> {
        self.change(addon, "unset", |world| world.state().platform.retain(|it| *it != addon)).await
    }

    fn is_outside(&self) -> bool {
        self.0.plan.tells_platform
    }
}
