//! Tests of [`super`]: bytes in and out over real sockets.

use super::*;
use crate::hl7::sender::{MllpClient, SendError};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

const SECOND: Duration = Duration::from_secs(5);

/// Answers `ack <message>`; waits at messages that begin with `wait`; panics at `panic`.
#[derive(Default)]
struct Parrot {
    entered: Notify,
    release: Notify,
    handled: AtomicUsize,
}

impl Handler for Parrot {
    fn handle(&self, frame: Frame) -> Pin<Box<dyn Future<Output = Reply> + Send + '_>> {
        Box::pin(async move {
            let text = String::from_utf8_lossy(&frame.bytes).into_owned();
            if text.starts_with("wait") {
                self.entered.notify_one();
                self.release.notified().await;
            }
            assert!(!text.starts_with("panic"), "asked to");
            self.handled.fetch_add(1, Ordering::SeqCst);
            match text.as_str() {
                "quiet" => Reply::Silence,
                "batch" => Reply::Answers(vec![b"one".to_vec(), b"two".to_vec()]),
                _ if frame.cut.is_some() => {
                    Reply::Answer(format!("{:?}: {}", frame.cut, frame.length).into_bytes())
                }
                _ => Reply::Answer(format!("ack {text}").into_bytes()),
            }
        })
    }
}

struct Server {
    address: SocketAddr,
    parrot: Arc<Parrot>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

async fn server(settings: MllpSettings) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let parrot = Arc::new(Parrot::default());
    let stop = CancellationToken::new();
    let handler: Arc<dyn Handler> = Arc::clone(&parrot) as Arc<dyn Handler>;
    let task = tokio::spawn(serve(listener, settings, handler, stop.clone()));
    Server {
        address,
        parrot,
        stop,
        task,
    }
}

impl Server {
    async fn client(&self) -> MllpClient {
        MllpClient::connect(self.address, SECOND).await.unwrap()
    }
}

fn text(answer: Result<Vec<u8>, SendError>) -> String {
    String::from_utf8(answer.unwrap()).unwrap()
}

#[tokio::test]
async fn pipelined_messages_are_answered_in_order_on_one_connection() {
    let server = server(MllpSettings::default()).await;
    let mut client = server.client().await;
    let stream = [
        b"noise".to_vec(),
        mllp::frame(b"a"),
        mllp::frame(b"quiet"),
        mllp::frame(b"batch"),
        mllp::frame(b"b"),
    ];
    client.write(&stream.concat()).await.unwrap();
    for expected in ["ack a", "one", "two", "ack b"] {
        assert_eq!(text(client.receive().await), expected);
    }
}

#[tokio::test]
async fn an_oversize_message_is_answered_and_the_connection_lives_on() {
    let server = server(MllpSettings {
        max_message: 1000,
        ..MllpSettings::default()
    })
    .await;
    let mut client = server.client().await;
    assert_eq!(
        text(client.send(&vec![b'x'; 300_000]).await),
        "Some(TooLong): 300000"
    );
    assert_eq!(text(client.send(b"next").await), "ack next");
}

#[tokio::test]
async fn a_peer_that_waits_or_fails_holds_up_nobody_else() {
    let server = server(MllpSettings::default()).await;
    let (mut slow, mut broken, mut quick) = (
        server.client().await,
        server.client().await,
        server.client().await,
    );
    slow.write(&mllp::frame(b"wait")).await.unwrap();
    server.parrot.entered.notified().await;
    assert!(matches!(
        broken.send(b"panic").await,
        Err(SendError::Closed | SendError::Io(_))
    ));
    assert_eq!(text(quick.send(b"quick").await), "ack quick");
    server.parrot.release.notify_one();
    assert_eq!(text(slow.receive().await), "ack wait");
}

#[tokio::test]
async fn a_connection_beyond_the_limit_is_closed_at_once() {
    let server = server(MllpSettings {
        max_connections: 1,
        ..MllpSettings::default()
    })
    .await;
    let mut first = server.client().await;
    assert_eq!(text(first.send(b"a").await), "ack a");
    let mut second = server.client().await;
    assert!(matches!(
        second.receive().await,
        Err(SendError::Closed | SendError::Io(_))
    ));
    assert_eq!(text(first.send(b"b").await), "ack b");
}

#[tokio::test]
async fn a_sender_that_leaves_the_cr_out_is_answered() {
    let server = server(MllpSettings::default()).await;
    let mut client = server.client().await;
    for text in ["a", "b"] {
        let framed = mllp::frame(text.as_bytes());
        client.write(&framed[..framed.len() - 1]).await.unwrap();
        assert_eq!(self::text(client.receive().await), format!("ack {text}"));
    }
    // Its last word before it closes its side is answered too.
    let mut stream = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    stream.write_all(b"\x0Bbye\x1C").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, mllp::frame(b"ack bye"));
}

#[tokio::test]
async fn a_message_that_drips_in_for_ever_ends_its_connection() {
    let (peer, ours) = tokio::io::duplex(16);
    let settings = MllpSettings {
        message_timeout: Duration::from_millis(50),
        ..MllpSettings::default()
    };
    let serving = async {
        let reader = FrameReader::new(settings.max_message);
        let (address, parrot) = ("127.0.0.1:1".parse().unwrap(), Parrot::default());
        let stop = CancellationToken::new();
        connection(ours, reader, address, &settings, &parrot, &stop).await
    };
    let dripping = async {
        let (_answers, mut half) = tokio::io::split(peer);
        half.write_all(b"\x0B").await.unwrap();
        loop {
            half.write_all(b"x").await.unwrap();
            sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        ended = serving => assert!(matches!(ended, Err(Ended::Slow)), "{ended:?}"),
        () = dripping => {}
    }
}

#[tokio::test]
async fn a_peer_that_does_not_speak_mllp_is_cut_off() {
    let server = server(MllpSettings::default()).await;
    let mut client = server.client().await;
    let noise = usize::try_from(MAX_NOISE).unwrap() / 2;
    // Noise that is followed by a message is forgiven.
    for text in ["a", "b", "c"] {
        client.write(&vec![b'.'; noise]).await.unwrap();
        assert_eq!(
            self::text(client.send(text.as_bytes()).await),
            format!("ack {text}")
        );
    }
    let endless = async { while client.write(&[b'.'; 1024]).await.is_ok() {} };
    timeout(SECOND, endless).await.expect("the connection ends");
}

#[tokio::test]
async fn messages_that_find_no_room_are_answered_and_others_go_on() {
    let server = server(MllpSettings {
        max_held: 1_000,
        ..MllpSettings::default()
    })
    .await;
    let (mut hoarder, mut other) = (server.client().await, server.client().await);
    hoarder
        .write(&mllp::frame(&[b"wait".as_slice(), &[b'x'; 900]].concat()))
        .await
        .unwrap();
    server.parrot.entered.notified().await;
    assert_eq!(text(other.send(&[b'y'; 200]).await), "Some(NoRoom): 200");
    assert_eq!(text(other.send(b"small").await), "ack small");
    server.parrot.release.notify_one();
    assert!(text(hoarder.receive().await).starts_with("ack wait"));
    assert!(text(other.send(&[b'y'; 200]).await).starts_with("ack y"));
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = server(MllpSettings {
        idle_timeout: Duration::from_millis(20),
        ..MllpSettings::default()
    })
    .await;
    let mut client = server.client().await;
    client.write(b"\x0BMSH|half").await.unwrap();
    assert!(matches!(
        client.receive().await,
        Err(SendError::Closed | SendError::Io(_))
    ));
}

#[tokio::test]
async fn a_peer_that_takes_no_answers_is_cut_off() {
    let (peer, ours) = tokio::io::duplex(16);
    let settings = MllpSettings {
        write_timeout: Duration::from_millis(20),
        ..MllpSettings::default()
    };
    let serving = async {
        let address = "127.0.0.1:1".parse().unwrap();
        let parrot = Parrot::default();
        let reader = FrameReader::new(settings.max_message);
        let stop = CancellationToken::new();
        connection(ours, reader, address, &settings, &parrot, &stop).await
    };
    let sending = async {
        let (_kept_unread, mut half) = tokio::io::split(peer);
        half.write_all(&mllp::frame(b"a message with a long answer"))
            .await
            .unwrap();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = serving => assert!(matches!(ended, Err(Ended::WriteTimeout)), "{ended:?}"),
        () = sending => {}
    }
}

#[tokio::test]
async fn stopping_answers_the_message_in_hand_and_no_other() {
    let server = server(MllpSettings::default()).await;
    let mut client = server.client().await;
    client
        .write(&[mllp::frame(b"wait"), mllp::frame(b"later")].concat())
        .await
        .unwrap();
    server.parrot.entered.notified().await;
    server.stop.cancel();
    server.parrot.release.notify_one();
    assert_eq!(text(client.receive().await), "ack wait");
    assert!(matches!(
        client.receive().await,
        Err(SendError::Closed | SendError::Io(_))
    ));
    server.task.await.unwrap();
    assert_eq!(server.parrot.handled.load(Ordering::SeqCst), 1);
    assert!(MllpClient::connect(server.address, SECOND).await.is_err());
}

#[tokio::test]
async fn a_message_that_never_ends_is_cut_off_after_the_drain() {
    let server = server(MllpSettings {
        drain: Duration::from_millis(20),
        ..MllpSettings::default()
    })
    .await;
    let mut client = server.client().await;
    client.write(&mllp::frame(b"wait")).await.unwrap();
    server.parrot.entered.notified().await;
    server.stop.cancel();
    server.task.await.unwrap();
    assert!(client.receive().await.is_err());
}
