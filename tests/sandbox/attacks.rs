//! What an intruder would try from inside each side: the table.
//!
//! Each row is one system call. Most are well formed enough for the kernel to start work on them; those marked `real`
//! succeed outside any sandbox, those marked `probe` would do harm, or need what a machine may lack.

use voile::sandbox::Side;

use crate::raid::{Aim, Call};

/// One attempt.
pub struct Attack {
    /// What is tried.
    pub name: &'static str,
    /// From which sides.
    pub sides: &'static [Side],
    /// Must succeed outside, for root: proof that the attempt is well formed.
    pub real: bool,
    /// The call and its arguments.
    pub call: fn(&Aim) -> Call,
}

/// The old door into the kernel, with the numbers of 32-bit x86.
pub const INT80: &str = "int 0x80: getpid";
/// A harmless one of them.
pub const INT80_GETPID: libc::c_long = 20;

const BOTH: &[Side] = &[Side::Dark, Side::Lit];

const fn real(name: &'static str, call: fn(&Aim) -> Call) -> Attack {
    Attack { name, sides: BOTH, real: true, call }
}

/// An attempt that would harm this machine if it went through, or that needs what a machine may lack.
const fn probe(name: &'static str, call: fn(&Aim) -> Call) -> Attack {
    Attack { name, sides: BOTH, real: false, call }
}

fn call<const N: usize>(number: libc::c_long, arguments: [usize; N]) -> Call {
    let mut all = [0; 6];
    all[..N].copy_from_slice(&arguments);
    (number, all)
}

/// A constant of C's `int` as an argument.
fn int(value: i32) -> usize {
    isize::try_from(value).unwrap().cast_unsigned()
}

fn text(words: &'static std::ffi::CStr) -> usize {
    words.as_ptr().addr()
}

/// openat2's wish: to read.
static HOW: [u64; 3] = [0; 3];
/// Open relative to the working folder.
const HERE: i32 = libc::AT_FDCWD;

/// Every row.
#[rustfmt::skip]
pub const ATTACKS: &[Attack] = &[
    // The network.
    // Datagrams are what the lit side is for.
    Attack {
        sides: &[Side::Dark],
        ..real("socket UDP", |_| call(libc::SYS_socket, [int(libc::AF_INET), int(libc::SOCK_DGRAM), 0]))
    },
    real("socket TCP", |_| call(libc::SYS_socket, [int(libc::AF_INET), int(libc::SOCK_STREAM), 0])),
    probe("socket TCP, IPv6", |_| call(libc::SYS_socket, [int(libc::AF_INET6), int(libc::SOCK_STREAM), 0])),
    real("socket Unix", |_| call(libc::SYS_socket, [int(libc::AF_UNIX), int(libc::SOCK_STREAM), 0])),
    real("socket netlink", |_| call(libc::SYS_socket, [int(libc::AF_NETLINK), int(libc::SOCK_RAW), 0])),
    probe("socket packet", |_| call(libc::SYS_socket, [int(libc::AF_PACKET), int(libc::SOCK_RAW), 0])),
    probe("socketpair", |_| call(libc::SYS_socketpair, [int(libc::AF_UNIX), int(libc::SOCK_STREAM), 0, 0])),
    Attack { sides: &[Side::Dark], ..probe("connect", |_| call(libc::SYS_connect, [0, 0, 0])) },
    Attack { sides: &[Side::Dark], ..probe("bind", |_| call(libc::SYS_bind, [0, 0, 0])) },
    probe("listen", |_| call(libc::SYS_listen, [0, 1])),
    probe("sendmsg", |_| call(libc::SYS_sendmsg, [1, 0, 0])),
    probe("sendmmsg", |_| call(libc::SYS_sendmmsg, [1, 0, 0, 0])),
    probe("recvmsg, descriptors come in", |_| call(libc::SYS_recvmsg, [0, 0, 0])),
    Attack { sides: &[Side::Dark], ..probe("sendto", |_| call(libc::SYS_sendto, [1, 0, 0, 0, 0, 0])) },
    Attack { sides: &[Side::Dark], ..probe("recvfrom", |_| call(libc::SYS_recvfrom, [0, 0, 0, 0, 0, 0])) },
    Attack { sides: &[Side::Dark], ..probe("accept4", |_| call(libc::SYS_accept4, [0, 0, 0, 0])) },
    probe("setsockopt SO_ATTACH_FILTER", |_| call(libc::SYS_setsockopt, [
        0, int(libc::SOL_SOCKET), int(libc::SO_ATTACH_FILTER), 0, 0])),
    probe("io_uring_setup", |_| call(libc::SYS_io_uring_setup, [4, 0])),
    probe("io_setup", |_| call(libc::SYS_io_setup, [1, 0])),
    // Files and devices.
    real("open a file to write", |aim| call(libc::SYS_openat, [
        int(HERE), aim.file.as_ptr().addr(), int(libc::O_WRONLY | libc::O_CREAT), 0o600])),
    real("open a folder", |_| call(libc::SYS_openat, [int(HERE), text(c"/"), 0, 0])),
    real("open a device, /dev/null", |_| call(libc::SYS_openat, [int(HERE), text(c"/dev/null"), int(libc::O_RDWR), 0])),
    real("open own memory as a file", |_| call(libc::SYS_openat, [
        int(HERE), text(c"/proc/self/mem"), int(libc::O_RDWR), 0])),
    probe("open /dev/mem", |_| call(libc::SYS_openat, [int(HERE), text(c"/dev/mem"), int(libc::O_RDWR), 0])),
    probe("open /dev/video0", |_| call(libc::SYS_openat, [int(HERE), text(c"/dev/video0"), int(libc::O_RDWR), 0])),
    real("openat2", |_| call(libc::SYS_openat2, [int(HERE), text(c"/"), HOW.as_ptr().addr(), 24])),
    real("memfd_create", |_| call(libc::SYS_memfd_create, [text(c"x"), 0])),
    probe("memfd_secret", |_| call(447, [0])),
    probe("unlinkat", |_| call(libc::SYS_unlinkat, [int(HERE), text(c"/nowhere"), 0])),
    probe("symlinkat", |_| call(libc::SYS_symlinkat, [text(c"/etc"), int(HERE), text(c"/nowhere/x")])),
    probe("linkat", |_| call(libc::SYS_linkat, [int(HERE), text(c"/nowhere"), int(HERE), text(c"/nowhere/x"), 0])),
    probe("mknodat", |_| call(libc::SYS_mknodat, [int(HERE), text(c"/nowhere/x"), 0, 0])),
    probe("fchmodat", |_| call(libc::SYS_fchmodat, [int(HERE), text(c"/nowhere"), 0])),
    probe("truncate", |_| call(libc::SYS_truncate, [text(c"/nowhere"), 0])),
    probe("open_by_handle_at", |_| call(libc::SYS_open_by_handle_at, [int(HERE), 0, 0])),
    real("dup", |_| call(libc::SYS_dup, [0])),
    real("fcntl F_DUPFD", |_| call(libc::SYS_fcntl, [0, int(libc::F_DUPFD), 9])),
    probe("sendfile", |_| call(libc::SYS_sendfile, [1, 0, 0, 0])),
    probe("splice", |_| call(libc::SYS_splice, [0, 0, 1, 0, 0, 0])),
    probe("vmsplice", |_| call(libc::SYS_vmsplice, [1, 0, 0, 0])),
    probe("ioctl TIOCSTI", |_| call(libc::SYS_ioctl, [0, 0x5412, 0])),
    probe("ioctl VIDIOC_EXPBUF", |_| call(libc::SYS_ioctl, [0, 0xc040_5610, 0])),
    // Other processes.
    // SEIZE, not ATTACH, so that the victim is not left stopped.
    real("ptrace", |aim| call(libc::SYS_ptrace, [0x4206, aim.victim, 0, 0])),
    real("process_vm_readv", |aim| call(libc::SYS_process_vm_readv, [
        aim.victim, aim.here.as_ptr().addr(), 1, aim.there.as_ptr().addr(), 1, 0])),
    probe("process_vm_writev", |aim| call(libc::SYS_process_vm_writev, [aim.victim, 0, 0, 0, 0, 0])),
    real("open /proc/DARK/mem", |aim| call(libc::SYS_openat, [
        int(HERE), aim.memory.as_ptr().addr(), int(libc::O_RDWR), 0])),
    real("pidfd_open", |aim| call(libc::SYS_pidfd_open, [aim.victim, 0])),
    probe("pidfd_getfd", |_| call(libc::SYS_pidfd_getfd, [0, 0, 0])),
    real("kill another process", |aim| call(libc::SYS_kill, [aim.victim, 0])),
    real("tgkill another process", |aim| call(libc::SYS_tgkill, [aim.victim, aim.victim, 0])),
    probe("rt_sigqueueinfo", |aim| call(libc::SYS_rt_sigqueueinfo, [aim.victim, 0, 0])),
    probe("process_madvise", |_| call(libc::SYS_process_madvise, [0, 0, 0, 0, 0])),
    probe("kcmp", |aim| call(libc::SYS_kcmp, [aim.victim, aim.victim, 0, 0, 0])),
    // New programs and new code.
    probe("execve", |_| call(libc::SYS_execve, [text(c"/nowhere"), 0, 0])),
    probe("execveat, a memory file", |_| call(libc::SYS_execveat, [0, text(c""), 0, 0, int(libc::AT_EMPTY_PATH)])),
    real("clone, a process", |_| call(libc::SYS_clone, [int(libc::SIGCHLD), 0, 0, 0, 0])),
    probe("clone, a thread in a new namespace", |_| call(libc::SYS_clone, [
        int(libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_SIGHAND | libc::CLONE_NEWUSER), 0, 0, 0, 0])),
    probe("clone3", |_| call(libc::SYS_clone3, [0, 0])),
    real("mmap PROT_EXEC", |_| call(libc::SYS_mmap, [0, 4096, int(libc::PROT_READ | libc::PROT_EXEC),
        int(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS), usize::MAX, 0])),
    probe("mprotect PROT_EXEC", |_| call(libc::SYS_mprotect, [0, 4096, int(libc::PROT_READ | libc::PROT_EXEC)])),
    probe("pkey_mprotect", |_| call(libc::SYS_pkey_mprotect, [0, 4096, int(libc::PROT_EXEC), usize::MAX])),
    probe("remap_file_pages", |_| call(libc::SYS_remap_file_pages, [0, 0, 0, 0, 0])),
    probe("shmget", |_| call(libc::SYS_shmget, [0, 0, 0o600])),
    // Rights that were given up, and the kernel's own doors.
    probe("prctl PR_SET_DUMPABLE", |_| call(libc::SYS_prctl, [int(libc::PR_SET_DUMPABLE), 1, 0, 0, 0])),
    probe("prctl PR_SET_PTRACER", |_| call(libc::SYS_prctl, [0x5961_6d61, usize::MAX, 0, 0, 0])),
    probe("seccomp", |_| call(libc::SYS_seccomp, [1, 0, 0])),
    probe("prlimit64", |_| call(libc::SYS_prlimit64, [0, 4, 0, 0])),
    probe("capset", |_| call(libc::SYS_capset, [0, 0])),
    probe("setuid", |_| call(libc::SYS_setuid, [0])),
    real("personality READ_IMPLIES_EXEC", |_| call(libc::SYS_personality, [0x0040_0000])),
    probe("unshare, a new user namespace", |_| call(libc::SYS_unshare, [int(libc::CLONE_NEWUSER)])),
    probe("setns", |_| call(libc::SYS_setns, [0, 0])),
    probe("mount", |_| call(libc::SYS_mount, [text(c"none"), text(c"/nowhere"), text(c"tmpfs"), 0, 0])),
    probe("umount2", |_| call(libc::SYS_umount2, [text(c"/nowhere"), 0])),
    probe("pivot_root", |_| call(libc::SYS_pivot_root, [text(c"/nowhere"), text(c"/nowhere")])),
    probe("chroot", |_| call(libc::SYS_chroot, [text(c"/nowhere")])),
    probe("open_tree", |_| call(428, [int(HERE), text(c"/nowhere"), 0])),
    probe("fsopen", |_| call(430, [text(c"tmpfs"), 0])),
    probe("bpf", |_| call(libc::SYS_bpf, [0, 0, 0])),
    probe("perf_event_open", |_| call(libc::SYS_perf_event_open, [0, 0, usize::MAX, usize::MAX, 0])),
    probe("userfaultfd", |_| call(libc::SYS_userfaultfd, [1])),
    probe("keyctl", |_| call(libc::SYS_keyctl, [0, 0, 0])),
    probe("add_key", |_| call(libc::SYS_add_key, [0, 0, 0, 0, 0])),
    probe("kexec_load", |_| call(libc::SYS_kexec_load, [0, usize::MAX, 0, usize::MAX])),
    probe("init_module", |_| call(libc::SYS_init_module, [0, 0, 0])),
    probe("finit_module", |_| call(libc::SYS_finit_module, [0, 0, 0])),
    probe("reboot", |_| call(libc::SYS_reboot, [0, 0, 0, 0])),
    probe("syslog", |_| call(libc::SYS_syslog, [99, 0, 0])),
    probe("clock_settime", |_| call(libc::SYS_clock_settime, [0, 0])),
    probe("fanotify_init", |_| call(libc::SYS_fanotify_init, [0, 0])),
    probe("quotactl", |_| call(libc::SYS_quotactl, [0, 0, 0, 0])),
    #[cfg(target_arch = "x86_64")]
    probe("x32: socket", |_| call(0x4000_0000 | libc::SYS_socket, [int(libc::AF_INET), int(libc::SOCK_DGRAM), 0])),
    #[cfg(target_arch = "x86_64")]
    probe("x32: write", |_| call(0x4000_0000 | libc::SYS_write, [1, 0, 0])),
    #[cfg(target_arch = "x86_64")]
    probe(INT80, |_| call(INT80_GETPID, [0])),
    #[cfg(target_arch = "x86_64")]
    probe("ioperm", |_| call(libc::SYS_ioperm, [0, 0, 0])),
    #[cfg(target_arch = "x86_64")]
    probe("modify_ldt", |_| call(libc::SYS_modify_ldt, [9, 0, 0])),
    probe("a call that does not exist yet", |_| call(1_000_000, [0])),
];
