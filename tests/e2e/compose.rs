//! The page for those who have a Compose file, done to the letter, by Compose itself.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;
use tempfile::TempDir;

use crate::readme::blocks;
use crate::support::{Engine, Host, until};

/// What the page's app does: it says what it finds in its database, and goes on.
const WEB: &str =
    r#"psql --no-align --tuples-only --command 'SELECT note FROM notes' "$$DATABASE_URL"; exec sleep 600"#;
const POSTGRES: &str = "larder-test/postgres:1";

/// Someone who follows the page.
struct Reader<'a> {
    engine: &'a Engine,
    host: &'a Host,
    dir: TempDir,
    /// The app, its network and its image on the page are called `shop`; others may be at it on the same engine.
    shop: String,
    /// The addon that is made, of that app.
    addon: &'static str,
}

impl Reader<'_> {
    fn write(&self, file: &str) {
        let image = format!("image: {}:1", self.shop);
        let web = serde_json::to_string(&["sh", "-c", WEB]).unwrap();
        let file = file.replace("image: shop:1", &image).replace("name: shop", &format!("name: {}", self.shop));
        // It has no volume that nobody has named, and that nobody removes.
        let web = format!("image: {POSTGRES}\n    entrypoint: {web}\n    tmpfs: /var/lib/postgresql/data");
        let file = file.replace(&image, &web);
        let file = file.replace("image: postgres:16", &format!("image: {POSTGRES}")).replace("shop.env", &self.env());
        std::fs::write(self.dir.path().join("docker-compose.yml"), format!("version: '3.5'\n{file}")).unwrap();
    }

    fn env(&self) -> String {
        format!("{}.env", self.shop)
    }

    fn shell(&self, script: &str) -> Output {
        let script = script.replace("shop", &self.shop).replace("docker compose", compose());
        let larder = Path::new(env!("CARGO_BIN_EXE_larder")).parent().unwrap().display();
        let path = format!("{larder}:{}", std::env::var("PATH").unwrap());
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("set -euo pipefail\n{script}")]).current_dir(self.dir.path()).env("PATH", path);
        shell.env("DOCKER_HOST", self.engine.endpoint()).env("LARDER_DATA_DIR", self.host.dir());
        shell.env("COMPOSE_PROJECT_NAME", &self.shop).env_remove("LARDER_URL").env_remove("LARDER_TOKEN");
        shell.output().unwrap()
    }

    /// What the script prints; it must succeed.
    fn run(&self, script: &str) -> String {
        let output = self.shell(script);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Leaves the engine as it was. The page's second file knows nothing of what the first one had made.
    fn leaves(&self) {
        self.shell(&format!("larder addon delete shop/{} --now --wait", self.addon));
        self.shell("docker compose down --volumes --remove-orphans --timeout 1");
        self.shell("docker volume rm --force shop_data");
        self.shell("docker network rm shop");
    }

    /// What is left on the engine of the page's services.
    fn left(&self) -> String {
        let of_project = "--filter label=com.docker.compose.project=shop";
        self.run(&format!("docker ps --all --quiet {of_project}; docker volume ls --quiet {of_project}"))
    }

    fn has_left_nothing(&self, addon: &str) {
        self.leaves();
        assert_eq!(self.left(), "", "of the services");
        assert_eq!((self.engine.containers(addon), self.engine.volumes(addon)), (vec![], vec![]), "of the addon");
    }

    /// The addon's id.
    fn id(&self) -> String {
        let shown = self.run(&format!("larder addon show shop/{} --json", self.addon));
        serde_json::from_str::<serde_json::Value>(&shown).unwrap()["id"].as_str().unwrap().to_owned()
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.leaves();
    }
}

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compose.md")).unwrap()
}

/// Compose as a plugin, or as the program that it once was.
fn compose() -> &'static str {
    let plugin = Command::new("docker").args(["compose", "version"]).output();
    if plugin.is_ok_and(|output| output.status.success()) { "docker compose" } else { "docker-compose" }
}

#[tokio::test]
async fn world_docker_a_db_of_a_compose_file_becomes_an_addon() {
    let Some(engine) = Engine::for_test("world_docker_a_db_of_a_compose_file_becomes_an_addon") else { return };
    let page = page();
    let (files, scripts) = (blocks(&page, "yaml"), blocks(&page, "sh"));
    let ([before, after], [grant, make, bring, begin, _cache]) = (&files[..], &scripts[..]) else {
        panic!("the page has other steps: {files:?} {scripts:?}")
    };
    let host = engine.host().await;
    engine.install(&host, "postgres", "postgres").await;
    let shop = format!("shop{}", std::process::id());
    let reader = Reader { engine: &engine, host: &host, dir: TempDir::new().unwrap(), shop, addon: "db" };
    reader.write(before);
    reader.run("docker compose up --detach");
    let sql = "CREATE TABLE notes (note text); INSERT INTO notes VALUES (''brought along'')".replace("''", "'");
    let note = format!("docker compose exec -T db psql --username postgres --command \"{sql}\"");
    until("the old server", async || reader.shell(&note).status.success().then_some(())).await;

    for step in [grant, make, bring] {
        reader.run(step);
    }
    reader.write(after);
    reader.run(begin);
    let said = async || Some(reader.run("docker compose logs --no-color web")).filter(|said| said.contains('|'));
    let said = until("the app to have read its database", said).await;
    assert!(said.contains("brought along"), "{said}");
    let env = std::fs::read_to_string(reader.dir.path().join(reader.env())).unwrap();
    assert!(env.contains(".larder:5432/"), "the app is told a name in its network: {env}");

    // From outside of that network, too.
    let listed = reader.run("larder addon connect shop/db --image larder-test/postgres:1 -- --command 'TABLE notes'");
    assert!(listed.contains("brought along"), "{listed}");
    let own = reader.run("larder app detach shop; larder addon wait shop/db; larder config show shop --format docker");
    assert!(own.contains("@127.0.0.1:"), "{own}");
    reader.has_left_nothing(&reader.id());
}

#[tokio::test]
async fn world_docker_the_keys_of_a_compose_files_cache_come_along() {
    let Some(engine) = Engine::for_test("world_docker_the_keys_of_a_compose_files_cache_come_along") else { return };
    let host = engine.host_with("redis", "redis").await;
    let shop = format!("shop{}c", std::process::id());
    let reader = Reader { engine: &engine, host: &host, dir: TempDir::new().unwrap(), shop, addon: "cache" };
    reader.write("services:\n  web:\n    image: shop:1\n  cache:\n    image: larder-test/redis:1\n");
    reader.run("docker compose up --detach cache; larder app create shop");
    let ask = "docker compose exec -T cache redis-cli --raw";
    until("the old server", async || Some(reader.run(&format!("{ask} PING || true"))).filter(|said| said == "PONG\n"))
        .await;
    // Keys of any kind, with any bytes in them.
    let fill = "redis.call('SET', 'a b' .. string.char(0, 10, 255), '1'); redis.call('SET', 'soon', '2', 'EX', '5000'); \
        for n = 1, 2000 do redis.call('HSET', 'h', n, string.char(n % 256)) end";
    reader.run(&format!("{ask} EVAL \"{fill}\" 0"));
    reader.run(&blocks(&page(), "sh")[4]);
    let look = "return {redis.call('DBSIZE'), redis.call('GET', 'a b' .. string.char(0, 10, 255)), \
        redis.call('TTL', 'soon') > 4000, redis.call('TTL', 'h'), redis.call('HLEN', 'h'), redis.call('HGET', 'h', '65')}";
    let client = "larder addon connect shop/cache --image larder-test/redis:1 -- --raw";
    assert_eq!(reader.run(&format!("{client} EVAL \"{look}\" 0")), "3\n1\n1\n-1\n2000\nA\n");
    reader.has_left_nothing(&reader.id());
}

#[tokio::test]
async fn world_docker_apps_in_networks_reach_their_parts_of_a_common_server() {
    let Some(engine) = Engine::for_test("world_docker_apps_in_networks_reach_their_parts_of_a_common_server") else {
        return;
    };
    let host = engine.host_with("redis", "redis").await;
    let network = format!("larder-test-of-demo-{}", std::process::id());
    engine.docker(&["network", "create", &network]);
    let attach = async |network: Option<&str>| {
        host.put("/v1/apps/demo/network", json!({ "network": network })).await.expect(200);
    };
    let communal = json!({ "service": "redis", "provision_type": "communal" });
    attach(Some(&network)).await;
    let part = host.create_and_wait(communal).await.expect(201);
    let (id, server) = (part["id"].as_str().unwrap(), part["parent"].as_str().unwrap());
    let url = host.variables().await["REDIS_URL"].as_str().unwrap().to_owned();
    // From a container of the app, which has no other way.
    let ask = |url: &str| {
        let run = ["run", "--rm", "--network", &network, "larder-test/redis:1", "redis-cli", "-u", url, "PING"];
        engine.try_docker(&run)
    };
    let joined = async || ask(&url).ok().filter(|said| said.trim() == "PONG");
    until("the common server to be in the network", joined).await;
    assert!(url.contains(&format!("@server.{}.larder:6379/", server.replace('-', ""))), "{url}");

    attach(None).await;
    let outside = async || {
        let url = host.variables().await["REDIS_URL"].as_str().unwrap().to_owned();
        url.contains("@127.0.0.1:").then_some(())
    };
    until("the app to be told", outside).await;
    // An engine removes no network that a container is in, and takes a moment after the last one has left.
    let left = async || engine.try_docker(&["network", "rm", &network]).ok();
    until("the common server to have left", left).await;
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    host.cleaned_up(id).await;
    engine.remove_server(&host, server).await;
}
