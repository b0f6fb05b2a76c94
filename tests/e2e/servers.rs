//! The providers of memcached, of RabbitMQ and of volumes on a real engine, looked at by clients as apps have them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::Url;
use serde_json::{Value, json};

use crate::support::{Amqp, Engine, Host, until, until_within};

/// How long RabbitMQ may take to boot on half a CPU, which other servers boot beside.
const BOOT_MAX: Duration = Duration::from_secs(180);

/// What one of the users of a common RabbitMQ may have.
const CONNECTIONS_MAX: usize = 64;
/// What is left for Larder when an app has all of its own.
const OF_LARDER: usize = 2;
const QUEUES_MAX: usize = 256;

/// A connection to a memcached.
struct Memcached(BufReader<TcpStream>);

impl Memcached {
    fn connect(url: &str) -> std::io::Result<Self> {
        let url = Url::parse(url).unwrap();
        assert_eq!(url.scheme(), "memcached");
        let stream = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap()))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self(BufReader::new(stream)))
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    fn set(&mut self, key: &str, value: &str) -> std::io::Result<String> {
        self.0.get_mut().write_all(format!("set {key} 0 0 {}\r\n{value}\r\n", value.len()).as_bytes())?;
        self.line()
    }

    fn get(&mut self, key: &str) -> std::io::Result<Option<String>> {
        self.0.get_mut().write_all(format!("get {key}\r\n").as_bytes())?;
        if self.line()? == "END" {
            return Ok(None);
        }
        let value = self.line()?;
        assert_eq!(self.line()?, "END");
        Ok(Some(value))
    }
}

/// An addon of the app `demo`, whose variables begin with its name.
async fn made(host: &Host, service: &str, name: &str, provision_type: &str) -> Value {
    let asks = json!({ "service": service, "name": name, "attach_as": name, "provision_type": provision_type });
    let made = host.create_and_wait(asks).await.expect(201);
    assert_eq!(made["state"], "ready", "{made}");
    made
}

fn id(addon: &Value) -> &str {
    addon["id"].as_str().unwrap()
}

async fn variable(host: &Host, name: &str) -> String {
    host.variables().await[name].as_str().unwrap().to_owned()
}

async fn is_removed(host: &Host, engine: &Engine, addon: &Value) {
    host.delete(&format!("/v1/addons/{}", id(addon))).await.expect(202);
    engine.is_rid_of(id(addon)).await;
}

#[tokio::test]
async fn world_docker_each_memcached_is_its_own_and_back_when_it_ends() {
    let test = "world_docker_each_memcached_is_its_own_and_back_when_it_ends";
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with("memcached", "memcached").await;
    let (one, other) =
        (made(&host, "memcached", "one", "independent").await, made(&host, "memcached", "other", "independent").await);
    let (url, others_url) = (variable(&host, "ONE_MEMCACHED_URL").await, variable(&host, "OTHER_MEMCACHED_URL").await);
    let mut mine = Memcached::connect(&url).unwrap();
    assert_eq!(mine.set("a", "1").unwrap(), "STORED");
    assert_eq!(mine.get("a").unwrap().as_deref(), Some("1"));
    assert_eq!(Memcached::connect(&others_url).unwrap().get("a").unwrap(), None);
    let credentials = host.credentials(id(&one)).await;
    assert_eq!((&credentials["uri"], &credentials["protocol"]), (&json!(url), &json!("memcached")));
    assert_eq!((engine.containers(id(&one)).len(), engine.volumes(id(&one)).len()), (1, 0));

    // It forgets, and is found at the same address.
    engine.docker(&["kill", &engine.containers(id(&one))[0]]);
    let back = async || Memcached::connect(&url).ok()?.get("a").ok();
    assert_eq!(until("the server to be back", back).await, None);
    is_removed(&host, &engine, &one).await;
    assert!(Memcached::connect(&url).is_err());
    assert_eq!(Memcached::connect(&others_url).unwrap().set("a", "2").unwrap(), "STORED");
    is_removed(&host, &engine, &other).await;
    assert!(host.variables().await.as_object().unwrap().is_empty());
}

#[tokio::test]
async fn world_docker_a_rabbitmq_of_ones_own_keeps_its_messages() {
    let Some(engine) = Engine::for_test("world_docker_a_rabbitmq_of_ones_own_keeps_its_messages") else { return };
    let host = engine.host_with("rabbitmq", "rabbitmq").await;
    let own = made(&host, "rabbitmq", "own", "independent").await;
    let url = variable(&host, "OWN_AMQP_URL").await;
    let mut app = Amqp::connect(&url).unwrap();
    app.declare("letters").unwrap();
    app.publish("letters", "hello").unwrap();

    // The pages that show queues are for who has the server alone.
    let credentials = host.credentials(id(&own)).await;
    let of = |key: &str| credentials[key].as_str().unwrap();
    let whoami = reqwest::Client::new().get(format!("{}/api/whoami", of("management_uri")));
    let answer = whoami.basic_auth(of("username"), Some(of("password"))).send().await.unwrap();
    let who: Value = answer.json().await.unwrap();
    assert_eq!((&who["name"], &who["tags"]), (&credentials["username"], &json!(["management"])));

    // What is there stays there, whoever stops the server. That a queue was declared it has not written down yet, maybe.
    let container = engine.containers(id(&own))[0].clone();
    engine.docker(&["exec", &container, "rabbitmqctl", "eval", "mnesia:sync_log()."]);
    engine.docker(&["kill", &container]);
    let kept = async || Amqp::connect(&url).ok()?.get("letters").ok();
    let back = until_within(BOOT_MAX, "the server to be back", kept).await;
    assert_eq!(back.as_deref(), Some("hello"));
    assert_eq!((engine.containers(id(&own)).len(), engine.volumes(id(&own)).len()), (1, 1));
    is_removed(&host, &engine, &own).await;
}

#[tokio::test]
async fn world_docker_users_of_one_rabbitmq_do_not_meet() {
    let Some(engine) = Engine::for_test("world_docker_users_of_one_rabbitmq_do_not_meet") else { return };
    let host = engine.host_with("rabbitmq", "rabbitmq").await;
    let (one, other) =
        tokio::join!(made(&host, "rabbitmq", "one", "communal"), made(&host, "rabbitmq", "other", "communal"));
    let server = one["parent"].clone();
    assert_eq!((&server, server.is_string()), (&other["parent"], true));
    let server = server.as_str().unwrap();
    assert_eq!(engine.containers(server).len(), 1);
    assert!(engine.containers(id(&one)).is_empty() && engine.volumes(id(&one)).is_empty());

    let (url, others_url) = (variable(&host, "ONE_AMQP_URL").await, variable(&host, "OTHER_AMQP_URL").await);
    let (mut mine, mut others) = (Amqp::connect(&url).unwrap(), Amqp::connect(&others_url).unwrap());
    // Queues of one name are two.
    mine.declare("letters").unwrap();
    others.declare("letters").unwrap();
    mine.publish("letters", "mine").unwrap();
    assert_eq!(others.get("letters").unwrap(), None);
    assert_eq!(mine.get("letters").unwrap().as_deref(), Some("mine"));
    // Nor into each other's virtual host, nor into the server's first one, nor with another's password.
    let (credentials, others_credentials) = (host.credentials(id(&one)).await, host.credentials(id(&other)).await);
    let of = |credentials: &Value, key: &str| credentials[key].as_str().unwrap().to_owned();
    let mut bad = [url.clone(), url.clone(), url.clone()].map(|url| Url::parse(&url).unwrap());
    bad[0].set_path(&of(&others_credentials, "vhost"));
    bad[1].set_path("//");
    bad[2].set_password(Some(&of(&others_credentials, "password"))).unwrap();
    for bad in &bad {
        assert!(Amqp::connect(bad.as_str()).is_err(), "{bad}");
    }
    // They are nobody to those who administer the server.
    let management = format!("http://{}", administered_at(&host, server).await);
    let whoami = reqwest::Client::new().get(format!("{management}/api/whoami"));
    let (user, password) = (of(&credentials, "username"), of(&credentials, "password"));
    assert_eq!(whoami.basic_auth(user, Some(password)).send().await.unwrap().status(), 401);

    // Nor may one of them have all of the server.
    let connections: Vec<Amqp> = (0..CONNECTIONS_MAX + OF_LARDER).map_while(|_| Amqp::connect(&url).ok()).collect();
    assert_eq!(connections.len(), CONNECTIONS_MAX + OF_LARDER - 1, "besides the first");
    assert_eq!((0..=QUEUES_MAX).find(|n| mine.declare(&format!("queue {n}")).is_err()), Some(QUEUES_MAX - 1));
    Amqp::connect(&others_url).unwrap().declare("more letters").unwrap();
    drop(connections);

    host.delete(&format!("/v1/addons/{}", id(&one))).await.expect(202);
    host.cleaned_up(id(&one)).await;
    assert!(Amqp::connect(&url).is_err());
    others.publish("letters", "still here").unwrap();
    host.delete(&format!("/v1/addons/{}", id(&other))).await.expect(202);
    host.cleaned_up(id(&other)).await;
    engine.remove_server(&host, server).await;
}

/// Where a common server's management can be reached.
async fn administered_at(host: &Host, server: &str) -> String {
    let credentials = host.credentials(server).await;
    let of = |key: &str| credentials[key].as_str().unwrap();
    format!("{}:{}", of("hostname"), of("management_port"))
}

#[tokio::test]
async fn world_docker_a_volume_is_mounted_by_its_name_and_goes_with_its_addon() {
    let test = "world_docker_a_volume_is_mounted_by_its_name_and_goes_with_its_addon";
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host().await;
    engine.install_as_it_is(&host, "volume").await;
    let volume = made(&host, "volume", "files", "independent").await;
    let name = variable(&host, "FILES_VOLUME_NAME").await;
    assert_eq!(engine.volumes(id(&volume)), [name.as_str()]);
    assert!(engine.containers(id(&volume)).is_empty());
    let mount = format!("type=volume,src={name},dst=/data");
    let run = |script: &str| {
        let image = ["--entrypoint=sh", "larder-test/redis:1", "-c", script];
        engine.try_docker(&[&["run", "--rm", "--network=none", "--mount", &mount][..], &image].concat())
    };
    run("echo hello > /data/greeting").unwrap();
    assert_eq!(run("cat /data/greeting").unwrap(), "hello\n");

    // As long as an app's container uses it, it stays; then it goes.
    let user = engine.docker(
        &[
            &["run", "--detach", "--network=none", "--mount", &mount, "--entrypoint=sleep"][..],
            &["larder-test/redis:1", "300"],
        ]
        .concat(),
    );
    host.delete(&format!("/v1/addons/{}", id(&volume))).await.expect(202);
    let told =
        async || host.history(id(&volume)).await.iter().any(|line| line.to_string().contains("in use")).then_some(());
    until("the history to tell why it stays", told).await;
    assert_eq!(engine.volumes(id(&volume)).len(), 1);
    engine.docker(&["rm", "--force", user.trim()]);
    engine.is_rid_of(id(&volume)).await;
    host.cleaned_up(id(&volume)).await;
    assert!(host.variables().await.get("FILES_VOLUME_NAME").is_none());
}
