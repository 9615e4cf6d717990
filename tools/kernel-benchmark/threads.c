#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "harness.h"

// Threads are started when they are first needed, and sleep when nothing has come for a while, so
// that they are quiet while others are measured.

static struct {
  int started_count;
  void (*work)(void *context, int thread);
  void *context;
  /// The number of the job in the upper bits, its threads in the lower 8.
  _Alignas(64) atomic_ullong job;
  _Alignas(64) atomic_int done_count;
  atomic_int sleeper_count;
  pthread_mutex_t mutex;
  pthread_cond_t condition;
} team = {.mutex = PTHREAD_MUTEX_INITIALIZER, .condition = PTHREAD_COND_INITIALIZER};

enum { SPIN_COUNT = 20000 };

/// Binds the calling thread to the processor at this place among those that the process may run on.
static void bind_thread(const cpu_set_t *allowed, int place) {
  for (int processor = 0; processor < CPU_SETSIZE; processor++) {
    if (!CPU_ISSET(processor, allowed) || place-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    return;
  }
}

static unsigned long long wait_for_job(unsigned long long last) {
  for (int spins = 0; spins < SPIN_COUNT; spins++) {
    const unsigned long long job = atomic_load_explicit(&team.job, memory_order_acquire);
    if (job != last) return job;
    graft_cpu_pause();
  }
  pthread_mutex_lock(&team.mutex);
  atomic_fetch_add(&team.sleeper_count, 1);
  while (atomic_load(&team.job) == last) pthread_cond_wait(&team.condition, &team.mutex);
  atomic_fetch_sub(&team.sleeper_count, 1);
  pthread_mutex_unlock(&team.mutex);
  return atomic_load(&team.job);
}

static cpu_set_t allowed_processors;

static void *serve(void *place) {
  const int thread = (int)(intptr_t)place;
  bind_thread(&allowed_processors, thread);
  graft_cpu_set_arithmetic(1);
  for (unsigned long long job = 0;;) {
    job = wait_for_job(job);
    if (thread >= (int)(job & 0xff)) continue;
    team.work(team.context, thread);
    atomic_fetch_add_explicit(&team.done_count, 1, memory_order_release);
  }
  return NULL;
}

static void start_threads(int thread_count) {
  if (team.started_count == 0) {
    if (sched_getaffinity(0, sizeof allowed_processors, &allowed_processors) != 0)
      fail(EXIT_OPERATING_SYSTEM, "cannot tell on which processors it may run");
    bind_thread(&allowed_processors, 0);
    graft_cpu_set_arithmetic(1);
    team.started_count = 1;
  }
  for (; team.started_count < thread_count; team.started_count++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)team.started_count) != 0)
      fail(EXIT_OPERATING_SYSTEM, "cannot start a thread");
    pthread_detach(thread);
  }
}

void run_on_threads(int thread_count, void (*work)(void *context, int thread), void *context) {
  start_threads(thread_count);
  if (thread_count == 1) {
    work(context, 0);
    return;
  }
  team.work = work;
  team.context = context;
  atomic_store(&team.done_count, 1);
  const unsigned long long number = (atomic_load(&team.job) >> 8) + 1;
  atomic_store(&team.job, number << 8 | (unsigned long long)thread_count);
  if (atomic_load(&team.sleeper_count) > 0) {
    pthread_mutex_lock(&team.mutex);
    pthread_cond_broadcast(&team.condition);
    pthread_mutex_unlock(&team.mutex);
  }
  work(context, 0);
  for (int spins = 0; atomic_load_explicit(&team.done_count, memory_order_acquire) < thread_count;
       spins++)
    if (spins < SPIN_COUNT)
      graft_cpu_pause();
    else
      sched_yield();
}

typedef struct {
  ptrdiff_t task_count;
  void (*task)(void *context, ptrdiff_t task, int thread);
  void *context;
  _Alignas(64) atomic_ptrdiff_t next;
} task_list;

static void take_tasks(void *context, int thread) {
  task_list *tasks = context;
  for (;;) {
    const ptrdiff_t task = atomic_fetch_add(&tasks->next, 1);
    if (task >= tasks->task_count) return;
    tasks->task(tasks->context, task, thread);
  }
}

void deal_tasks(
    int thread_count, ptrdiff_t task_count, void (*task)(void *context, ptrdiff_t task, int thread),
    void *context) {
  task_list tasks = {.task_count = task_count, .task = task, .context = context, .next = 0};
  run_on_threads((int)smaller(thread_count, task_count), take_tasks, &tasks);
}

static void do_nothing(void *context, int thread) { (void)context, (void)thread; }

void wake_threads(int thread_count) { run_on_threads(thread_count, do_nothing, NULL); }

int thread_counts(int counts[2]) {
  counts[0] = 1;
  counts[1] = options.thread_count;
  return options.thread_count > 1 ? 2 : 1;
}
