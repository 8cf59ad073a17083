//! The fetcher against servers on this machine, which only the policy for tests lets it reach.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use futures_util::stream;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::*;

const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\xff\x00\r\n";
const NOT_PUBLIC: &str =
    "image: the URL does not lead to a public address, and images are fetched from those only";
const SERVER: &str = "image: the image could not be fetched";
/// Longer than any test that does not wait for it.
const LONG: Duration = Duration::from_secs(60);
/// Short enough to wait for.
const SHORT: Duration = Duration::from_millis(300);

/// A server on this machine, and what it was asked for.
struct Site {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _server: JoinSet<()>,
}

impl Site {
    async fn serve(router: Router) -> Self {
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let log = asked.clone();
        let router = router.layer(axum::middleware::map_request(move |request: Request| {
            log.lock().unwrap().push(request.uri().to_string());
            future::ready(request)
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, asked, _server: server }
    }

    /// One that answers every path alike.
    async fn answering<R: IntoResponse + 'static>(
        answer: impl Fn() -> R + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Router::new().fallback(move || future::ready(answer().into_response()))).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn fetcher(policy: RemoteImages, time: Duration) -> Fetcher {
    fetcher_with(policy, time, resolver::system)
}

fn fetcher_with(policy: RemoteImages, time: Duration, look_up: LookUp) -> Fetcher {
    let config = GatewayConfig { remote_images: policy, fetch_timeout: time, ..GatewayConfig::default() };
    Fetcher::with_names(&config, look_up).unwrap()
}

/// One that gets to this machine.
fn local() -> Fetcher {
    fetcher(RemoteImages::PublicAndLoopback, LONG)
}

fn image(url: impl Into<String>) -> RemoteImage {
    RemoteImage { param: "image".to_owned(), url: url.into() }
}

/// The message of the problem that the image has.
async fn refusal(fetcher: &Fetcher, url: impl Into<String>) -> String {
    let problem = fetcher.fetch(vec![image(url)]).await.unwrap_err();
    assert_eq!(
        (problem.status(warp2api_dialects::ErrorStyle::OpenAi), problem.param.as_deref()),
        (400, Some("image"))
    );
    problem.message
}

/// The bodies of the URLs.
async fn bodies(fetcher: &Fetcher, urls: &[String]) -> Vec<Bytes> {
    let fetched = fetcher.fetch(urls.iter().map(image).collect()).await.unwrap();
    urls.iter().map(|url| fetched.get(url).unwrap().clone()).collect()
}

#[tokio::test]
async fn bodies_arrive_to_the_byte_and_each_url_is_asked_for_once() {
    let router = Router::new()
        .route("/a", get(async || GIF))
        .route("/b", get(async || vec![7; MAX_IMAGE_BYTES]))
        .route("/c", get(async || Body::from_stream(stream::iter([GIF, GIF].map(Ok::<_, io::Error>)))));
    let site = Site::serve(router).await;
    let urls = ["/a", "/b", "/a", "/c", "/a?q=1#fragment"].map(|path| site.url(path));

    let bodies = bodies(&local(), &urls).await;

    assert_eq!(bodies, [GIF, &vec![7; MAX_IMAGE_BYTES], GIF, &[GIF, GIF].concat(), GIF]);
    let mut asked = site.asked();
    asked.sort();
    assert_eq!(asked, ["/a", "/a?q=1", "/b", "/c"]);
}

#[tokio::test]
async fn a_server_learns_nothing_but_what_we_are() {
    let seen = Arc::<Mutex<HeaderMap>>::default();
    let log = seen.clone();
    let keep = move |headers: HeaderMap| {
        *log.lock().unwrap() = headers;
        future::ready(GIF)
    };
    let router = Router::new().route("/", get(keep)).route("/first", get(async || Redirect::to("/")));
    let site = Site::serve(router).await;

    bodies(&local(), &[site.url("/first")]).await;

    let seen = seen.lock().unwrap();
    let mut names: Vec<_> = seen.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "host", "user-agent"]);
    assert!(seen["user-agent"].to_str().unwrap().starts_with("warp2api/"));
}

#[tokio::test]
async fn four_are_fetched_at_once() {
    // Nobody gets on before four are here.
    let four = Arc::new(Barrier::new(MAX_AT_ONCE));
    let handler = async move || {
        four.wait().await;
        GIF
    };
    let site = Site::serve(Router::new().fallback(handler)).await;
    let urls: Vec<_> = (0..3 * MAX_AT_ONCE).map(|number| site.url(&format!("/{number}"))).collect();

    assert_eq!(bodies(&local(), &urls).await.len(), urls.len());
}

#[tokio::test]
async fn no_fifth_is_asked_for_while_four_are_under_way() {
    let site = Site::serve(Router::new().fallback(future::pending::<()>)).await;
    let images = (0..3 * MAX_AT_ONCE).map(|number| image(site.url(&format!("/{number}")))).collect();

    let problem = fetcher(RemoteImages::PublicAndLoopback, SHORT).fetch(images).await.unwrap_err();

    assert!(problem.message.ends_with("did not arrive in time"), "{problem:?}");
    assert!(site.asked().len() <= MAX_AT_ONCE, "{:?}", site.asked());
}

#[tokio::test]
async fn this_machine_is_not_asked_unless_tests_want_it() {
    let site = Site::answering(|| GIF).await;
    let port = site.address.port();
    let public = fetcher(RemoteImages::Public, LONG);

    for host in ["127.0.0.1", "localhost", "LOCALHOST.", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "0"] {
        assert_eq!(refusal(&public, format!("http://{host}:{port}/")).await, NOT_PUBLIC, "{host}");
    }
    assert_eq!(site.asked(), [""; 0]);
    assert_eq!(bodies(&local(), &[format!("http://localhost:{port}/")]).await, [GIF]);
}

#[tokio::test]
async fn a_name_that_leads_into_the_network_sounds_like_one_that_leads_nowhere() {
    let fetcher = fetcher_with(RemoteImages::PublicAndLoopback, LONG, |name| match name {
        "private.example" => Ok(vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()]),
        "metadata.example" => Ok(vec!["169.254.169.254".parse().unwrap()]),
        _ => Err(io::ErrorKind::NotFound.into()),
    });

    for host in ["private.example", "metadata.example", "nowhere.example", "10.0.0.1", "[fd00::1]"] {
        for url in [format!("http://{host}/"), format!("https://{host}:8443/a.png")] {
            assert_eq!(refusal(&fetcher, &url).await, NOT_PUBLIC, "{url}");
        }
    }
}

#[tokio::test]
async fn a_name_is_looked_up_once_for_each_connection() {
    static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
    let site = Site::answering(|| GIF).await;
    // It leads here when it is asked for first, and into the network from then on.
    let fetcher = fetcher_with(RemoteImages::PublicAndLoopback, LONG, |_| {
        let first = LOOKUPS.fetch_add(1, Ordering::SeqCst) == 0;
        Ok(vec![if first { "127.0.0.1" } else { "10.0.0.1" }.parse().unwrap()])
    });
    let url = format!("http://rebinding.example:{}/", site.address.port());

    assert_eq!(bodies(&fetcher, std::slice::from_ref(&url)).await, [GIF]);
    assert_eq!(LOOKUPS.load(Ordering::SeqCst), 1);
    assert_eq!(refusal(&fetcher, &url).await, NOT_PUBLIC);
}

#[tokio::test]
async fn redirects_are_followed_three_times() {
    let router = Router::new()
        .route("/4", get(async || Redirect::permanent("/3")))
        .route("/3", get(async || Redirect::temporary("2")))
        .route("/2", get(async || Redirect::to("1?q")))
        .route("/1", get(async || (StatusCode::FOUND, [(LOCATION, "/0")])))
        .route("/0", get(async || GIF))
        .route("/loop", get(async || Redirect::to("/loop")));
    let site = Site::serve(router).await;

    assert_eq!(bodies(&local(), &[site.url("/3")]).await, [GIF]);
    assert_eq!(site.asked(), ["/3", "/2", "/1?q", "/0"]);
    let too_many = "image: the URL is redirected more than 3 times";
    assert_eq!(refusal(&local(), site.url("/4")).await, too_many);
    let before = site.asked().len();
    assert_eq!(refusal(&local(), site.url("/loop")).await, too_many);
    assert_eq!(site.asked().len() - before, 1 + MAX_REDIRECTS);
}

#[tokio::test]
async fn no_redirect_leads_into_the_network() {
    let public_only = fetcher(RemoteImages::PublicAndLoopback, LONG);
    for location in [
        "http://10.0.0.1/",
        "//192.168.0.1/a.png",
        "http://169.254.169.254/latest/meta-data",
        "http://0xa9fea9fe/",
        "https://[fd00:ec2::254]/",
        "http://[::ffff:10.0.0.1]/",
    ] {
        let site = Site::answering(move || Redirect::to(location)).await;
        assert_eq!(refusal(&public_only, site.url("/")).await, NOT_PUBLIC, "{location}");
        assert_eq!(site.asked(), ["/"]);
    }
    let expected = [
        ("file:///etc/passwd", "image: expected an http or https URL of at most 8192 bytes"),
        ("http://user:word@127.0.0.1/", "image: a URL with a user name or a password is not fetched"),
    ];
    for (location, message) in expected {
        let site = Site::answering(move || Redirect::to(location)).await;
        assert_eq!(refusal(&public_only, site.url("/")).await, message);
    }
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_not_read() {
    // It says so and never comes.
    let site = Site::answering(|| {
        let length = (MAX_IMAGE_BYTES + 1).to_string();
        Response::builder().header("content-length", length).body(endless(stream::pending())).unwrap()
    })
    .await;

    let large = "image: the image is larger than 3750000 bytes";
    assert_eq!(refusal(&local(), site.url("/")).await, large);
}

#[tokio::test]
async fn a_body_that_does_not_say_so_is_cut() {
    let site =
        Site::answering(|| endless(stream::repeat_with(|| Ok(Bytes::from_static(&[0; 64 * 1024]))))).await;

    let large = "image: the image is larger than 3750000 bytes";
    assert_eq!(refusal(&local(), site.url("/")).await, large);
}

#[tokio::test]
async fn all_images_together_are_not_larger_than_a_request_may_be() {
    let site = Site::answering(|| vec![0; 1000]).await;
    let config = GatewayConfig {
        remote_images: RemoteImages::PublicAndLoopback,
        max_body_bytes: 2999,
        ..GatewayConfig::default()
    };
    let fetcher = Fetcher::new(&config).unwrap().unwrap();
    let images = |count| (0..count).map(|number| image(site.url(&format!("/{number}")))).collect::<Vec<_>>();

    assert!(fetcher.fetch(images(2)).await.is_ok());
    let problem = fetcher.fetch(images(3)).await.unwrap_err();
    assert_eq!(problem.message, "image: the fetched images are larger than 2999 bytes together");
}

#[tokio::test]
async fn a_server_that_is_slow_is_not_waited_for() {
    let fetcher = fetcher(RemoteImages::PublicAndLoopback, SHORT);
    let router = Router::new()
        .route("/silent", get(future::pending::<()>))
        .route(
            "/halfway",
            get(async || endless(stream::iter([Ok(Bytes::from(GIF))]).chain(stream::pending()))),
        )
        .route("/away", get(async || Redirect::to("/silent")));
    let site = Site::serve(router).await;

    for path in ["/silent", "/halfway", "/away"] {
        assert_eq!(
            refusal(&fetcher, site.url(path)).await,
            "image: the image did not arrive in time",
            "{path}"
        );
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_a_server_sounds_the_same() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(refusal(&local(), format!("http://{closed}/")).await, SERVER);
    assert_eq!(refusal(&local(), format!("https://{closed}/")).await, SERVER);

    let site = Site::answering(|| GIF).await;
    assert_eq!(refusal(&local(), format!("https://{}/", site.address)).await, SERVER);
    for status in [201, 204, 206, 300, 301, 304, 400, 401, 403, 404, 407, 429, 500, 503] {
        let site = Site::answering(move || (StatusCode::from_u16(status).unwrap(), "a secret")).await;
        assert_eq!(refusal(&local(), site.url("/")).await, SERVER, "{status}");
        assert_eq!(site.asked().len(), 1, "{status} is not tried again");
    }
    // It breaks off.
    let site =
        Site::answering(|| endless(stream::iter([Ok(Bytes::from(GIF)), Err(io::ErrorKind::Other.into())])))
            .await;
    assert_eq!(refusal(&local(), site.url("/")).await, SERVER);
}

#[tokio::test]
async fn the_first_image_in_order_that_cannot_be_had_is_named() {
    let router =
        Router::new().route("/", get(async || GIF)).route("/missing", get(async || StatusCode::NOT_FOUND));
    let site = Site::serve(router).await;
    let named = |param: &str, url| RemoteImage { param: param.to_owned(), url };
    let images = vec![
        named("first", site.url("/")),
        named("second", site.url("/missing")),
        named("third", "http://10.0.0.1/".to_owned()),
    ];

    let problem = local().fetch(images).await.unwrap_err();

    assert_eq!(problem.param.as_deref(), Some("second"));
    assert_eq!(problem.message, "second: the image could not be fetched");
}

#[tokio::test]
async fn who_stops_waiting_hangs_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let fetcher = local();
    let mut fetch = Box::pin(fetcher.fetch(vec![image(url)]));
    let accept = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = [0; 1024];
        assert!(socket.read(&mut head).await.unwrap() > 0);
        socket
    };
    let mut socket = tokio::select! {
        socket = accept => socket,
        fetched = &mut fetch => panic!("nobody answered: {fetched:?}"),
    };

    drop(fetch);

    let mut rest = Vec::new();
    let ended = tokio::time::timeout(LONG, socket.read_to_end(&mut rest)).await;
    // Closed or reset: nobody is there any more.
    assert!(ended.is_ok());
}

#[test]
fn nothing_is_fetched_by_default() {
    assert!(Fetcher::new(&GatewayConfig::default()).unwrap().is_none());
}

/// A body that does not say how long it is.
fn endless(chunks: impl stream::Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    Body::from_stream(chunks)
}
