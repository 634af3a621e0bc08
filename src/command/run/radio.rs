//! What the lit side does with what comes: the link, the heartbeat, the watchdogs, health.
//!
//! Nothing is sent without a permit, the line moves only when something was sent under one, and watchdogs are fed only by
//! the progress of both sides. What fails here about health is logged and tried again; what fails about the heartbeat
//! or the watchdog is a trip.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use voile::base::clock::RealClock;
use voile::base::{Clock, Fault, Micros};
use voile::encode::{AccessUnit, Backend};
use voile::health::lines::Lines;
use voile::health::{self, Gaps, HealthFile, Metrics, Service, Snapshot, State};
use voile::interlock::led::Shown;
use voile::interlock::pins::Line;
use voile::interlock::{Heartbeat, Interlock, Led, Permit, Progress, Watchdog};
use voile::link::{Link, write_sdp};
use voile::mask;
use voile::pipeline::{Health, Outlet};
use voile::seam::{Request, RequestWriter};

/// Longest time between two looks at what takes its time: half of an LED's letter.
const TEND: Micros = Micros::from_ms(50);
/// Datagrams in a row before the seam is looked at again.
const BURST: usize = 32;
/// How long a frame may take from redaction to sending to count as progress of both sides.
const BOUND: Micros = Micros::from_ms(1_000);
/// How long the last packets of an orderly end are paced out.
const DRAIN: Micros = Micros::from_ms(200);
/// From the last packet to the farewell: receivers look at reports first, and would end before the last picture.
const FAREWELL: Micros = Micros::from_ms(60);
/// Between two feedings of the watchdogs, where systemd asks for none or for fewer.
const FEED_EVERY: Micros = Micros::from_ms(500);

/// What tells others how the service fares.
pub struct Devices {
    led: Option<Led<Line>>,
    watchdog: Option<Watchdog>,
    service: Service,
    file: HealthFile,
    metrics: Option<Metrics>,
    feed_every: Micros,
}

impl Devices {
    /// Opens what needs rights that are given up later. Health that cannot be told is logged, and stops nothing.
    pub fn open(runtime: &Path, led: Option<Led<Line>>, watchdog: Option<Watchdog>, watchdog_us: Option<u64>) -> Self {
        let service = Service::connect().unwrap_or_else(|error| {
            log::warn!("{error}");
            Service::default()
        });
        let metrics = Metrics::open(&runtime.join("metrics.sock")).map_err(|error| log::warn!("{error}")).ok();
        let file = HealthFile::new(&runtime.join(health::file::NAME));
        let shortest = watchdog_us.into_iter().chain(watchdog.as_ref().map(|watchdog| watchdog.timeout().0)).min();
        let feed_every = shortest.map_or(FEED_EVERY, |shortest| FEED_EVERY.min(Micros(shortest / 2)));
        Self { led, watchdog, service, file, metrics, feed_every }
    }

    /// There is no stream yet to tell progress by, and its beginning takes longer than a watchdog waits.
    ///
    /// # Errors
    /// [`Fault::WatchdogFailed`].
    pub fn wait(&mut self) -> Result<(), Fault> {
        self.watchdog.as_mut().map_or(Ok(()), Watchdog::feed)
    }

    /// Between two calls of [`Devices::wait`].
    pub const fn wait_every(&self) -> Micros {
        self.feed_every
    }

    /// Starts the thread that answers for the metrics, when rights have been given up.
    pub fn serve(&mut self) {
        if let Some(Err(error)) = self.metrics.as_mut().map(Metrics::serve) {
            log::warn!("{error}");
        }
    }
}

/// The lit side's outlet.
pub struct Radio<'a> {
    clock: &'a RealClock,
    link: Link,
    requests: RequestWriter,
    heartbeat: Option<Heartbeat<Line>>,
    devices: Devices,
    stop: &'a AtomicBool,
    asked_to_stop: bool,
    progress: Progress,
    snapshot: Snapshot,
    gaps: Gaps,
    lines: Lines,
    /// Packets that have left.
    sent: u64,
    /// What the network said last: packets taken, and times that it took none.
    answers: u64,
    /// Nothing gets through.
    troubled: bool,
    shown: Shown,
    /// The state that systemd shows.
    told: Option<State>,
    ready: bool,
    /// There was a frame that is no slate.
    redacting: bool,
}

impl<'a> Radio<'a> {
    /// An outlet that has sent nothing; `snapshot` is what health says of it until then.
    pub fn new(
        clock: &'a RealClock,
        link: Link,
        requests: RequestWriter,
        heartbeat: Option<Heartbeat<Line>>,
        devices: Devices,
        stop: &'a AtomicBool,
        snapshot: Snapshot,
    ) -> Self {
        let progress = Progress::new(BOUND, devices.feed_every);
        Self {
            clock,
            link,
            requests,
            heartbeat,
            devices,
            stop,
            asked_to_stop: false,
            progress,
            snapshot,
            gaps: Gaps::default(),
            lines: Lines::default(),
            sent: 0,
            answers: 0,
            troubled: false,
            shown: Shown::Starting,
            told: None,
            ready: false,
            redacting: false,
        }
    }

    /// The end: the line is at rest, the watchdog is told if this is as it should be, and health says what happened. Gives
    /// how many access units were sent.
    pub fn finish(mut self, end: Option<Fault>) -> u64 {
        let now = self.clock.now();
        if let Some(heartbeat) = &mut self.heartbeat {
            // The line is static either way.
            let _ = heartbeat.rest();
        }
        (self.snapshot.state, self.snapshot.trip) = match end {
            None | Some(Fault::DarkDied) => (State::Stopping, None),
            Some(fault) => (State::Tripped, Some(fault)),
        };
        if self.stop.load(Ordering::Relaxed) {
            // Otherwise the supervisor starts both sides again, or ends; systemd is not to wait for an end meanwhile.
            self.devices.service.stopping();
        }
        if end.is_none()
            && let Some(watchdog) = self.devices.watchdog.take()
            && let Err(fault) = watchdog.stop()
        {
            log::warn!("{fault}: the board may reset");
        }
        self.snapshot.uptime_ms = now.0 / 1000;
        if let Err(error) = self.devices.file.last(&self.snapshot) {
            log::warn!("{error}");
        }
        let counts = self.link.finish(None, now);
        log::info!(
            "sent {} access units in {} packets, {} dropped",
            counts.units_sent,
            counts.packets,
            counts.units_dropped
        );
        counts.units_sent
    }

    fn feed(&mut self) -> Result<(), Fault> {
        self.devices.service.feed();
        match &mut self.devices.watchdog {
            Some(watchdog) => watchdog.feed(),
            None => Ok(()),
        }
    }

    fn ask(&mut self, request: Request) -> bool {
        let now = self.clock.now();
        match self.requests.send(&request, self.clock, now) {
            Ok(()) => true,
            Err(error) => {
                log::warn!("{error}");
                false
            }
        }
    }

    /// Sends what is due, at most a burst of it.
    fn transmit(&mut self, interlock: &Interlock) -> Result<Option<Micros>, Fault> {
        for _ in 0..BURST {
            let now = self.clock.now();
            let polled = self.link.poll(interlock.permit(now).as_ref(), now);
            let counts = self.link.counts();
            (self.snapshot.units, self.snapshot.bytes) = (counts.units_sent, counts.payload_bytes);
            if counts.packets > self.sent {
                self.sent = counts.packets;
                if let (Some(heartbeat), Some(permit)) = (&mut self.heartbeat, interlock.permit(now)) {
                    heartbeat.sent(permit, now)?;
                }
            }
            let answers = counts.packets + counts.busy + counts.down;
            if answers > self.answers {
                self.answers = answers;
                if self.progress.sent(now) {
                    self.feed()?;
                }
            }
            if polled.key_wanted && !self.asked_to_stop {
                self.ask(Request::KeyFrame);
            }
            match polled.next {
                Some(next) if next <= now => {}
                next => return Ok(next),
            }
        }
        Ok(Some(self.clock.now()))
    }

    fn tell(&mut self, now: Micros) {
        let trouble = self.link.trouble();
        if trouble.is_some() != self.troubled {
            self.troubled = trouble.is_some();
            match trouble {
                Some(error) => log::warn!("nothing gets through: {error}: check the radio and [link]"),
                None => log::warn!("the network takes packets again"),
            }
        }
        if let Some(led) = &mut self.devices.led
            && led.tick(now, self.shown).is_err()
        {
            log::warn!("the LED's line cannot be driven");
            self.devices.led = None;
        }
        self.snapshot.uptime_ms = now.0 / 1000;
        if let Err(error) = self.devices.file.offer(&self.snapshot, now) {
            log::warn!("{error}");
        }
        if let Some(metrics) = &mut self.devices.metrics {
            metrics.offer(&self.snapshot, now);
        }
        if self.told != Some(self.snapshot.state) && self.devices.service.status(self.snapshot.state.word()) {
            self.told = Some(self.snapshot.state);
        }
    }
}

impl Outlet for Radio<'_> {
    fn note(&mut self, health: Health) -> Result<(), Fault> {
        let now = self.clock.now();
        let snapshot = &mut self.snapshot;
        snapshot.frames += 1;
        snapshot.dropped = snapshot.dropped.saturating_add(self.gaps.before(health.sequence));
        (snapshot.state, self.shown) = match health.account.state {
            mask::State::Redacted => {
                if !self.redacting {
                    self.redacting = true;
                    log::info!("redacting: frame {} is the first that is no slate", health.sequence);
                }
                // A picture that is covered whole shows the pilot as little as a slate.
                let blind = health.account.clear_fraction == 0.0;
                (State::Redacting, if blind { Shown::Slate } else { Shown::Redacting })
            }
            mask::State::Slate(Fault::CoverClosed) => (State::Slate, Shown::CoverClosed),
            mask::State::Slate(_) => (State::Slate, Shown::Slate),
        };
        if let mask::State::Slate(fault) = health.account.state {
            snapshot.slates.0[usize::from(fault.number())] += 1;
            if let Some(line) = self.lines.line(fault, health.sequence, now) {
                log::warn!("{line}");
            }
        }
        let encoder = if health.backend == Backend::Auto { "none" } else { health.backend.word() };
        if snapshot.encoder == Backend::M2m.word() && encoder != snapshot.encoder {
            snapshot.encoder_falls += 1;
        }
        snapshot.encoder = encoder;
        snapshot.evidence_age_ms = Some(health.account.evidence_age.0 / 1000);
        snapshot.clear_share = Some(health.account.clear_fraction);
        snapshot.px_per_m = Some(health.account.px_per_m);
        #[expect(clippy::cast_possible_truncation, reason = "a latency in milliseconds")]
        let latency = now.since(health.born).as_ms() as f32;
        snapshot.latency_ms = Some(latency);
        if self.progress.redacted(now) {
            self.feed()?;
        }
        if !self.ready {
            self.ready = true;
            self.devices.service.ready();
        }
        Ok(())
    }

    fn pause(&mut self, permit: Permit) -> Result<(), Fault> {
        match &mut self.heartbeat {
            Some(heartbeat) => heartbeat.paused(permit, self.clock.now()).map(drop),
            None => Ok(()),
        }
    }

    fn send(&mut self, unit: AccessUnit, permit: &Permit) -> Result<(), Fault> {
        let now = self.clock.now();
        if !permit.holds(now) {
            return Ok(());
        }
        // What is dropped or malformed is counted by the link, which then asks for a key frame.
        let _ = self.link.push(&unit, now);
        if let Some(text) = self.link.take_description()
            && let Some(path) = self.link.description_path()
            && let Err(error) = write_sdp(path, &text)
        {
            log::warn!("{error}");
        }
        Ok(())
    }

    fn drain(&mut self, interlock: &Interlock) -> Result<(), Fault> {
        let until = self.clock.now().plus(DRAIN);
        while let Some(next) = self.transmit(interlock)?.filter(|next| *next < until) {
            self.clock.sleep_until(next);
            if self.clock.now() >= until {
                break;
            }
        }
        self.clock.sleep_until(self.clock.now().plus(FAREWELL));
        let now = self.clock.now();
        if let Some(permit) = interlock.permit(now) {
            self.link.farewell(&permit, now);
        }
        Ok(())
    }

    fn tend(&mut self, interlock: &Interlock) -> Result<Option<Micros>, Fault> {
        if self.stop.load(Ordering::Relaxed) && !self.asked_to_stop {
            // A dark side that does not hear it is ended by the supervisor.
            self.asked_to_stop = self.ask(Request::Stop);
        }
        let next = self.transmit(interlock)?;
        let now = self.clock.now();
        self.tell(now);
        let back = now.plus(TEND);
        Ok(Some(next.map_or(back, |next| next.min(back))))
    }
}
