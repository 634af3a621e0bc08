// Counts the instructions of an emulated program: a plugin for qemu's user emulation, version 1 of its interface (Debian
// 12's 7.2 takes it). Before each write to standard output it tells standard error how many there were so far.
// The few declarations below are those of the interface's manual, so that no header has to be installed.

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t plugin;
struct qemu_plugin_tb;
typedef void (*translated)(plugin, struct qemu_plugin_tb *);
typedef void (*called)(plugin, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                       uint64_t);

void qemu_plugin_register_vcpu_tb_trans_cb(plugin, translated);
void qemu_plugin_register_vcpu_syscall_cb(plugin, called);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int operation, void *, uint64_t);

enum { ADD = 0, AARCH64_WRITE = 64 };

int qemu_plugin_version = 1;

// Not atomic: exact for one thread that works at a time.
static uint64_t counted;

static void block(plugin self, struct qemu_plugin_tb *tb) {
  (void)self;
  qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD, &counted, qemu_plugin_tb_n_insns(tb));
}

static void call(plugin self, unsigned cpu, int64_t number, uint64_t descriptor, uint64_t a2, uint64_t a3, uint64_t a4,
                 uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
  (void)self, (void)cpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
  if (number == AARCH64_WRITE && descriptor == 1) fprintf(stderr, "%llu\n", (unsigned long long)counted);
}

int qemu_plugin_install(plugin self, const void *info, int argc, char **argv) {
  (void)info, (void)argc, (void)argv;
  qemu_plugin_register_vcpu_tb_trans_cb(self, block);
  qemu_plugin_register_vcpu_syscall_cb(self, call);
  return 0;
}
