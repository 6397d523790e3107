//! A proxy of the same parts that does nothing: no strict reading, no rule, no record.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::Arc;

use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::origin::{Authority, Ports, believing, certified};
use super::{Failure, HOST, note};
use creel_doors::stream::Io;

type Body = UnsyncBoxBody<bytes::Bytes, hyper::Error>;

/// Ready-made TLS both ways.
struct Parts {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    ports: Ports,
    /// Connections upstream that wait, plain and TLS.
    idle: [Mutex<Vec<SendRequest<Incoming>>>; 2],
}

pub(super) async fn serve(folder: &Path) -> Result<(), Failure> {
    let mut config = certified(&Authority::new(folder, "naive")?, &[HOST])?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let parts = Arc::new(Parts {
        acceptor: TlsAcceptor::from(Arc::new(config)),
        connector: TlsConnector::from(Arc::new(believing(folder, &["origin"], &["http/1.1"])?)),
        ports: Ports::read(folder)?,
        idle: [Mutex::default(), Mutex::default()],
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    std::fs::write(note(folder, "naive.ready"), listener.local_addr()?.port().to_string())?;
    loop {
        let (stream, _) = listener.accept().await?;
        let _ = stream.set_nodelay(true);
        let parts = Arc::clone(&parts);
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let parts = Arc::clone(&parts);
                async move {
                    Ok::<_, Infallible>(if request.method() == Method::CONNECT {
                        tokio::spawn(intercepted(parts, request));
                        Response::new(empty())
                    } else {
                        parts.forward(request, false).await.unwrap_or_else(|_| Response::new(empty()))
                    })
                }
            });
            let server = hyper::server::conn::http1::Builder::new();
            let _ = server.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
        });
    }
}

async fn intercepted(parts: Arc<Parts>, request: Request<Incoming>) -> io::Result<()> {
    let stream = TokioIo::new(hyper::upgrade::on(request).await.map_err(io::Error::other)?);
    let stream = parts.acceptor.accept(stream).await?;
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |request: Request<Incoming>| {
        let parts = Arc::clone(&parts);
        async move { parts.forward(request, true).await }
    });
    let io = TokioIo::new(stream);
    if is_http2 {
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        server.serve_connection(io, service).await.map_err(io::Error::other)
    } else {
        hyper::server::conn::http1::Builder::new().serve_connection(io, service).await.map_err(io::Error::other)
    }
}

impl Parts {
    async fn forward(self: Arc<Self>, mut request: Request<Incoming>, tls: bool) -> io::Result<Response<Body>> {
        let idle = if tls { &self.idle[1] } else { &self.idle[0] };
        let waiting = idle.lock().await.pop().filter(|sender| sender.is_ready());
        let mut sender = match waiting {
            Some(sender) => sender,
            None => self.connect(tls).await?,
        };
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
        *request.version_mut() = http::Version::HTTP_11;
        request.headers_mut().insert(http::header::HOST, http::HeaderValue::from_static(HOST));
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let (mut head, body) = response.into_parts();
        head.version = http::Version::HTTP_11;
        // 1 KiB is held, so that the connection can be given back here.
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        idle.lock().await.push(sender);
        Ok(Response::from_parts(head, http_body_util::Full::new(body).map_err(|never| match never {}).boxed_unsync()))
    }

    async fn connect(&self, tls: bool) -> io::Result<SendRequest<Incoming>> {
        let port = if tls { self.ports.tls } else { self.ports.plain };
        let stream = dial(port).await?;
        let io: Box<dyn Io> = if tls {
            Box::new(self.connector.connect(ServerName::try_from(HOST).map_err(io::Error::other)?, stream).await?)
        } else {
            Box::new(stream)
        };
        let (sender, connection) = handshake(TokioIo::new(io)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

#[expect(clippy::disallowed_methods, reason = "a bench connects")]
pub(super) async fn dial(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
