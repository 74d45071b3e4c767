#include "ctl/child_process.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>

#include "ctl/terminal.h"
#include "tun/system_clock.h"
#include "tun/unique_fd.h"

namespace hawser {

namespace {

// A signal between the look at it and poll(2) wakes nobody: it is looked at so often.
constexpr int kLookMs = 50;

// What a program starts and leaves behind becomes ours when its parent ends, instead of init's: a
// daemon that goes to the background in a session of its own can be found then.
class OrphanScope {
 public:
  OrphanScope() {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    // Whoever started us may ignore it, and then nobody learns how a child ended.
    ::signal(SIGCHLD, SIG_DFL);
  }
  ~OrphanScope() { ::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0); }
  OrphanScope(const OrphanScope&) = delete;
  OrphanScope& operator=(const OrphanScope&) = delete;
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

// A file in memory, to be read from its beginning.
UniqueFd input_file(const std::string& text) {
  UniqueFd file(::memfd_create("input", MFD_CLOEXEC));
  const auto len = static_cast<ssize_t>(text.size());
  if (!file || ::pwrite(file.get(), text.data(), text.size(), 0) != len) return {};
  return file;
}

Result<pid_t> spawn(const ChildProgram& program) {
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  if (program.has_own_group) ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  UniqueFd input;
  if (!program.input.empty()) input = input_file(program.input);
  if (input) ::posix_spawn_file_actions_adddup2(&files, input.get(), STDIN_FILENO);
  const std::vector<char*> argv = pointers(program.argv);
  std::vector<char*> environment;
  if (program.environment) environment = pointers(*program.environment);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, argv[0], &files, &attributes, argv.data(),
                                   program.environment ? environment.data() : environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  if (error == 0) return child;
  return Error{fmt::format("{} cannot be started: {}", program.argv[0], std::strerror(error)),
               error};
}

std::optional<int> status_of(pid_t child) {
  int status = 0;
  if (::waitpid(child, &status, WNOHANG) != child) return std::nullopt;
  return status;
}

// The fourth field of /proc/PID/stat; the second, in parentheses, may hold anything.
std::optional<pid_t> parent_of(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string text;
  std::getline(file, text, '\0');
  const std::size_t end_of_name = text.rfind(')');
  if (end_of_name == std::string::npos) return std::nullopt;
  char state = 0;
  pid_t parent = 0;
  if (std::sscanf(text.c_str() + end_of_name + 1, " %c %d", &state, &parent) != 2) {
    return std::nullopt;
  }
  return parent;
}

// Nobody else gets the number of one before we have waited for it.
std::set<pid_t> children() {
  std::set<pid_t> found;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (parent_of(name) == ::getpid()) found.insert(std::stoi(name));
  }
  return found;
}

// SIGTERM, and SIGKILL for what has not ended after kChildEndTime.
void end_all_but(const std::set<pid_t>& spared) {
  std::set<pid_t> told;
  const Instant begin = boot_now();
  bool has_ended = false;
  while (!has_ended && boot_now() < begin + 2 * kChildEndTime) {
    const bool is_late = boot_now() >= begin + kChildEndTime;
    has_ended = true;
    for (const pid_t child : children()) {
      if (spared.contains(child)) continue;
      has_ended = false;  // what it leaves behind becomes ours
      if (status_of(child)) continue;
      // Once: a daemon that is about to end has its handler no more.
      if (told.insert(child).second || is_late) ::kill(child, is_late ? SIGKILL : SIGTERM);
    }
    if (!has_ended) ::poll(nullptr, 0, kLookMs);
  }
}

}  // namespace

Result<int> run_program(const ChildProgram& program) {
  const OrphanScope orphans;
  const std::set<pid_t> before = children();
  const Result<pid_t> child = spawn(program);
  if (!child) return child.error();
  const UniqueFd ended(static_cast<int>(::syscall(SYS_pidfd_open, *child, 0)));
  bool has_ended = false;
  while (true) {
    const std::optional<int> status = status_of(*child);
    has_ended = status.has_value();
    // One that came while it ended finds what it has left.
    if (program.stops && StopSignals::seen()) break;
    if (status) return *status;
    pollfd end{ended.get(), POLLIN, 0};  // without a descriptor a pause
    ::poll(&end, 1, kLookMs);
  }
  // Its number is its own until somebody has waited for it.
  if (program.has_own_group && !has_ended) ::kill(-*child, SIGTERM);
  end_all_but(before);
  return Error{"interrupted", EINTR};
}

}  // namespace hawser
