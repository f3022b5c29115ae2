#include "api/listener.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <limits>
#include <utility>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "base/this_thread.h"

namespace skald::api {
namespace {

constexpr rlim_t kDescriptorsKept = 10'000;
constexpr int kPortMax = 65'535;
// After so long without an acknowledgement of what was sent the peer is gone.
constexpr unsigned kUserTimeoutMs = 10'000;
constexpr int kAcceptedAtOnce = 64;
constexpr int kRetryMs = 100;
constexpr Micros kReportInterval = kMinute;

absl::Status NoAddress(absl::string_view address) {
  return absl::InvalidArgumentError(
      absl::StrCat("Cannot listen on '", address, "': expected HOST:PORT with a port of 0 to ",
                   kPortMax, " ([HOST]:PORT of an IPv6 address), or unix:PATH"));
}

absl::Status CannotListen(absl::string_view address, absl::string_view why) {
  return absl::FailedPreconditionError(absl::StrCat("Cannot listen on '", address, "': ", why));
}

std::string Reason(int error) {
  switch (error) {
    case EADDRINUSE:
      return "another server has this port";
    case EADDRNOTAVAIL:
      return "it is no address of this machine";
    case EACCES:
      return "the user of this process may not listen there";
    default:
      return std::strerror(error);
  }
}

struct HostPort {
  std::string host;
  int port = 0;
};

absl::StatusOr<HostPort> ParseHostPort(absl::string_view address) {
  const size_t colon = address.rfind(':');
  HostPort parsed;
  if (colon == absl::string_view::npos ||
      !absl::SimpleAtoi(address.substr(colon + 1), &parsed.port) || parsed.port < 0 ||
      parsed.port > kPortMax) {
    return NoAddress(address);
  }
  absl::string_view host = address.substr(0, colon);
  const bool is_bracketed = absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]");
  if (host.empty() || (absl::StrContains(host, ':') && !is_bracketed)) return NoAddress(address);
  parsed.host = std::string(host);
  return parsed;
}

void SetOption(int socket, int level, int option, int value) {
  static_cast<void>(setsockopt(socket, level, option, &value, sizeof value));
}

int PortOf(int socket) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return 0;
  if (bound.ss_family == AF_INET) return ntohs(reinterpret_cast<sockaddr_in&>(bound).sin_port);
  return ntohs(reinterpret_cast<sockaddr_in6&>(bound).sin6_port);
}

void SetPort(sockaddr* address, int port) {
  const in_port_t text = htons(static_cast<in_port_t>(port));
  if (address->sa_family == AF_INET) {
    reinterpret_cast<sockaddr_in*>(address)->sin_port = text;
  } else if (address->sa_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(address)->sin6_port = text;
  }
}

// A socket that listens, or -1 with errno.
int ListenOn(const sockaddr* address, socklen_t size) {
  const int made = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (made < 0) return -1;
  if (address->sa_family != AF_UNIX) {
    // Connections inherit these.
    SetOption(made, SOL_SOCKET, SO_REUSEADDR, 1);
    SetOption(made, IPPROTO_TCP, TCP_NODELAY, 1);
    SetOption(made, IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeoutMs);
    if (address->sa_family == AF_INET6) SetOption(made, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  }
  if (bind(made, address, size) == 0 && listen(made, SOMAXCONN) == 0) return made;
  const int error = errno;
  close(made);
  errno = error;
  return -1;
}

Micros SteadyNow() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

int DescriptorsForConnections() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::numeric_limits<int>::max();
  const rlim_t kept = std::min(limit.rlim_cur / 2, kDescriptorsKept);
  return static_cast<int>(std::min<rlim_t>(limit.rlim_cur - kept, std::numeric_limits<int>::max()));
}

absl::StatusOr<std::unique_ptr<Listener>> Listener::Bind(const std::string& address,
                                                         int descriptors_max) {
  std::unique_ptr<Listener> listener(new Listener(descriptors_max));
  listener->stop_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (listener->stop_ < 0) return CannotListen(address, std::strerror(errno));
  if (absl::StartsWith(address, "unix:")) {
    SKALD_RETURN_IF_ERROR(listener->BindUnix(address));
  } else {
    SKALD_RETURN_IF_ERROR(listener->BindTcp(address));
  }
  return listener;
}

absl::Status Listener::BindTcp(const std::string& address) {
  SKALD_ASSIGN_OR_RETURN(const HostPort wanted, ParseHostPort(address));
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* list = nullptr;
  if (const int error = getaddrinfo(wanted.host.c_str(), nullptr, &hints, &list); error != 0) {
    return CannotListen(
        address, absl::StrCat("it is no address of this machine (", gai_strerror(error), ")"));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> found(list, &freeaddrinfo);
  port_ = wanted.port;
  int error = EADDRNOTAVAIL;
  for (const addrinfo* each = found.get(); each != nullptr; each = each->ai_next) {
    const auto is_same = [&](const addrinfo* other) {
      return other->ai_addrlen == each->ai_addrlen &&
             std::memcmp(other->ai_addr, each->ai_addr, each->ai_addrlen) == 0;
    };
    const addrinfo* first = found.get();
    while (!is_same(first)) first = first->ai_next;
    if (first != each) continue;  // twice in the list
    // The others get the port that the first one was given; the list's own is 0.
    sockaddr_storage copy{};
    std::memcpy(&copy, each->ai_addr, each->ai_addrlen);
    auto* const place = reinterpret_cast<sockaddr*>(&copy);
    SetPort(place, port_);
    const int made = ListenOn(place, each->ai_addrlen);
    if (made >= 0) {
      sockets_.push_back(made);
      port_ = PortOf(made);
      continue;
    }
    error = errno;
    // A family that this machine does not have is left out. But whoever connects must not come to
    // another server.
    if (error == EADDRINUSE) return CannotListen(address, Reason(error));
  }
  if (sockets_.empty()) return CannotListen(address, Reason(error));
  return absl::OkStatus();
}

absl::Status Listener::BindUnix(const std::string& address) {
  absl::string_view path = address;
  absl::ConsumePrefix(&path, "unix:");
  if (absl::StartsWith(path, "///")) path.remove_prefix(2);  // a URI
  sockaddr_un place{};
  place.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof place.sun_path) {
    return CannotListen(
        address, absl::StrCat("a path of 1 to ", sizeof place.sun_path - 1, " bytes is expected"));
  }
  std::memcpy(place.sun_path, path.data(), path.size());
  struct stat there {};
  if (stat(place.sun_path, &there) == 0 && S_ISSOCK(there.st_mode)) unlink(place.sun_path);
  const int made = ListenOn(reinterpret_cast<const sockaddr*>(&place), sizeof place);
  if (made < 0) {
    const int error = errno;
    return CannotListen(address,
                        error == EADDRINUSE ? "a file of that name is there" : Reason(error));
  }
  sockets_.push_back(made);
  path_ = std::string(path);
  return absl::OkStatus();
}

void Listener::Start(Taker taker) {
  taker_ = std::move(taker);
  thread_ = std::thread([this] {
    NameThread("listener");
    Run();
  });
}

void Listener::Run() {
  std::vector<pollfd> polled = {{stop_, POLLIN, 0}};
  for (const int socket : sockets_) polled.push_back({socket, POLLIN, 0});
  while (true) {
    static_cast<void>(poll(polled.data(), polled.size(), -1));
    if (polled[0].revents != 0) return;
    bool has_room = true;
    for (size_t i = 1; i < polled.size(); ++i) {
      if (polled[i].revents != 0) has_room = Accept(polled[i].fd) && has_room;
    }
    // What waits stays there, so that poll would not.
    if (!has_room) static_cast<void>(poll(polled.data(), 1, kRetryMs));
  }
}

bool Listener::Accept(int socket) {
  for (int i = 0; i < kAcceptedAtOnce; ++i) {
    const int connection = accept4(socket, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (connection >= descriptors_max_) {
      close(connection);
      ReportRefused();
    } else if (connection >= 0) {
      taker_(connection);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      ReportRefused();
      return false;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      // None is left; or this one failed on its way, and the next is for the next call.
      return true;
    }
  }
  return true;
}

void Listener::ReportRefused() {
  const Micros now = SteadyNow();
  if (reported_ != 0 && now - reported_ < kReportInterval) return;
  reported_ = now;
  std::fprintf(
      stderr,
      "skald: connections are refused: those that are open have the file descriptors up to "
      "%d; the others are kept for the store's files (raise `ulimit -Hn`, or find out who "
      "keeps connections open)\n",
      descriptors_max_);
}

void Listener::Stop() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    static_cast<void>(!write(stop_, &one, sizeof one));
    thread_.join();
  }
  for (const int socket : std::exchange(sockets_, {})) close(socket);
  if (!path_.empty()) unlink(std::exchange(path_, {}).c_str());
}

Listener::~Listener() {
  Stop();
  if (stop_ >= 0) close(stop_);
}

}  // namespace skald::api
