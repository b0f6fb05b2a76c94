//! `larder catalog`: what can be provisioned now.

use super::api::call::Call;
use super::context::Context;
use super::failure::Result;
use super::model::{self, Plan, Service};
use super::table::Table;

pub(crate) async fn run(context: &Context) -> Result<()> {
    let answer = context.api.call(Call::get(&["v1", "catalog"])).await?.body;
    let services: Vec<Service> = model::read_list(&answer, "services")?;
    if services.is_empty() {
        context.out.note("nothing can be provisioned yet; upload a provider with `larder provider upload FILE`");
    }
    context.out.result(&answer, || Ok(show(&services)))
}

fn show(services: &[Service]) -> String {
    let mut table = Table::new(["SERVICE", "PLAN", "PROVIDER", "TYPES", "VARIABLES", "DESCRIPTION"]);
    for service in services {
        for plan in &service.plans {
            let types = service.provision_types.join(",");
            let variables = service.variable_names().join(",");
            table.row([&service.name, &plan.name, &service.provider, &types, &variables, describe(service, plan)]);
        }
    }
    if table.is_empty() { String::new() } else { table.render() }
}

/// The plan's own description says more than the service's.
fn describe<'a>(service: &'a Service, plan: &'a Plan) -> &'a str {
    let of_plan = plan.description.as_deref().filter(|text| !text.is_empty());
    of_plan.or(service.description.as_deref()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_plan_has_a_line() {
        let plan =
            |name: &str, text: &str| Plan { name: name.into(), description: Some(text.into()), ..Plan::default() };
        let services = [Service {
            name: "secret".into(),
            description: Some("A random secret".into()),
            provider: "secret".into(),
            provision_types: vec!["independent".into(), "shared".into()],
            variables: json!(["SECRET_KEY", {"name": "SECRET_OLD", "secret": true}]),
            exports: None,
            plans: vec![plan("default", ""), plan("long", "256 characters")],
        }];
        let expected = "\
SERVICE  PLAN     PROVIDER  TYPES               VARIABLES              DESCRIPTION
secret   default  secret    independent,shared  SECRET_KEY,SECRET_OLD  A random secret
secret   long     secret    independent,shared  SECRET_KEY,SECRET_OLD  256 characters
";
        assert_eq!(show(&services), expected);
        assert_eq!(show(&[]), "");
        let any = Service { variables: json!("any"), ..Service::default() };
        assert_eq!(any.variable_names(), ["any"]);
    }
}
