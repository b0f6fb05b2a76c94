//! Sizes of servers in containers: each is a plan, and the largest is what an operator is asked for.

use larder_sdk::{Addon, Failure, Plan, Request, Service};

/// A size in which a provider makes servers.
pub trait Size: Sized + 'static {
    /// All of them; the first is the default plan.
    const ALL: &'static [Self];

    /// The plan's name.
    fn name(&self) -> &'static str;
    /// The plan.
    fn plan(&self) -> Plan;
    /// What a server's container may use, in MiB.
    fn memory_mib(&self) -> u64;
    /// How many processes and threads it may have.
    fn pids(&self) -> u32;

    /// The size that an addon asked for.
    ///
    /// # Errors
    /// There is no plan of that name.
    fn of(addon: &Addon) -> Result<&'static Self, Failure> {
        find(Self::ALL, &addon.plan(), Self::name)
    }

    /// The service with a plan for each size.
    fn plans(service: Service) -> Service {
        Self::ALL.iter().fold(service, |service, size| service.plan(size.plan()))
    }

    /// The request for the largest.
    fn request(image: &str) -> Request {
        let (memory, pids) = (Self::ALL.iter().map(Self::memory_mib), Self::ALL.iter().map(Self::pids));
        running(image, memory.max().unwrap_or_default(), pids.max().unwrap_or_default())
    }
}

/// The request for one container of this image at a time.
#[must_use]
pub fn running(image: &str, memory_mib: u64, pids: u32) -> Request {
    let container = format!("{image} containers=1 memory={memory_mib}MiB cpus=1 pids={pids}");
    Request::required("docker", &container, "To run the servers")
}

/// The request for the volume of a server, to keep its data or whatever it keeps.
#[must_use]
pub fn keeping(what: &str) -> Request {
    Request::required("docker", "volumes=1", &format!("To keep their {what}"))
}

/// The size of this name.
pub(crate) fn find<S>(all: &'static [S], plan: &str, name: impl Fn(&S) -> &'static str) -> Result<&'static S, Failure> {
    let found = all.iter().find(|size| name(size) == plan);
    found.ok_or_else(|| Failure::rejected(format!("there is no plan {plan}")))
}

#[cfg(test)]
mod tests {
    use larder_sdk::json;

    use super::*;

    struct Wide(&'static str, u64, u32);

    impl Size for Wide {
        const ALL: &'static [Self] = &[Self("flat", 8, 9), Self("tall", 16, 4)];

        fn name(&self) -> &'static str {
            self.0
        }

        fn plan(&self) -> Plan {
            Plan::new(self.0, "A size")
        }

        fn memory_mib(&self) -> u64 {
            self.1
        }

        fn pids(&self) -> u32 {
            self.2
        }
    }

    #[test]
    fn each_is_a_plan_and_the_request_has_room_for_all() {
        let service = json!(Wide::plans(Service::new("wide", "A service")));
        assert_eq!((&service["plans"][0]["name"], &service["plans"][1]["name"]), (&json!("flat"), &json!("tall")));
        let request = json!(Wide::request("wide:1"));
        assert_eq!(request["value"], "wide:1 containers=1 memory=16MiB cpus=1 pids=9");
    }

    #[test]
    fn what_nobody_offers_is_rejected() {
        assert_eq!(find(Wide::ALL, "tall", Wide::name).map(Wide::memory_mib), Ok(16));
        assert_eq!(find(Wide::ALL, "slim", Wide::name).err(), Some(Failure::rejected("there is no plan slim")));
    }
}
