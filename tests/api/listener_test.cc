// Goal: connections are taken on every address that was named, never beyond their share of
// descriptors, and again as soon as there is room; what cannot be listened on says why. Method:
// sockets on loopback.
#include "api/listener.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace skald::api {
namespace {

using ::skald::testing::StatusIs;
using ::testing::HasSubstr;

constexpr int kAnyDescriptor = 1 << 30;

// Keeps the connections that were taken.
class Taken {
 public:
  ~Taken() { CloseAll(); }

  Listener::Taker Taker() {
    return [this](int descriptor) {
      MutexLock lock(mu_);
      descriptors_.push_back(descriptor);
      changed_.NotifyAll();
    };
  }
  bool Await(size_t count) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    MutexLock lock(mu_);
    while (descriptors_.size() < count && std::chrono::steady_clock::now() < until) {
      changed_.WaitFor(mu_, std::chrono::milliseconds(100));
    }
    return descriptors_.size() == count;
  }
  int last() {
    MutexLock lock(mu_);
    return descriptors_.back();
  }
  void CloseAll() {
    MutexLock lock(mu_);
    for (const int descriptor : descriptors_) close(descriptor);
    descriptors_.clear();
  }

 private:
  Mutex mu_;
  CondVar changed_;
  std::vector<int> descriptors_ SKALD_GUARDED_BY(mu_);
};

// A client's end.
class Client {
 public:
  explicit Client(const std::string& path) : socket_(socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    Connect(reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  Client(int family, int port) : socket_(socket(family, SOCK_STREAM, 0)) {
    if (family == AF_INET) {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(static_cast<in_port_t>(port));
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      Connect(reinterpret_cast<const sockaddr*>(&address), sizeof address);
    } else {
      sockaddr_in6 address{};
      address.sin6_family = AF_INET6;
      address.sin6_port = htons(static_cast<in_port_t>(port));
      address.sin6_addr = in6addr_loopback;
      Connect(reinterpret_cast<const sockaddr*>(&address), sizeof address);
    }
  }
  ~Client() { close(socket_); }

  bool is_connected() const { return is_connected_; }
  // Waits until the other side has closed the connection.
  bool IsClosed() const {
    char byte = 0;
    return recv(socket_, &byte, 1, 0) <= 0;
  }

 private:
  void Connect(const sockaddr* address, socklen_t size) {
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    is_connected_ = connect(socket_, address, size) == 0;
  }

  const int socket_;
  bool is_connected_ = false;
};

bool HasIpv6() {
  const absl::StatusOr<std::unique_ptr<Listener>> listener =
      Listener::Bind("[::1]:0", kAnyDescriptor);
  return listener.ok();
}

std::unique_ptr<Listener> MustBind(const std::string& address,
                                   int descriptors_max = kAnyDescriptor) {
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listener::Bind(address, descriptors_max);
  EXPECT_OK(listener);
  return listener.ok() ? *std::move(listener) : nullptr;
}

TEST(ListenerTest, ConnectionsAreGivenThatDoNotBlock) {
  Taken taken;
  const auto listener = MustBind("127.0.0.1:0");
  EXPECT_GT(listener->port(), 0);
  // Waits until the listener starts.
  const Client early(AF_INET, listener->port());
  EXPECT_TRUE(early.is_connected());
  listener->Start(taken.Taker());
  ASSERT_TRUE(taken.Await(1));
  char byte = 0;
  EXPECT_EQ(recv(taken.last(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST(ListenerTest, EachAddressOfAHostIsListenedOn) {
  Taken taken;
  const auto listener = MustBind("localhost:0");
  listener->Start(taken.Taker());
  EXPECT_TRUE(Client(AF_INET, listener->port()).is_connected());
  ASSERT_TRUE(taken.Await(1));
}

TEST(ListenerTest, AnyIpv6AddressTakesIpv4AsWell) {
  if (!HasIpv6()) GTEST_SKIP() << "this machine has no IPv6";
  Taken taken;
  const auto listener = MustBind("[::]:0");
  listener->Start(taken.Taker());
  EXPECT_TRUE(Client(AF_INET, listener->port()).is_connected());
  EXPECT_TRUE(Client(AF_INET6, listener->port()).is_connected());
  ASSERT_TRUE(taken.Await(2));
}

TEST(ListenerTest, DescriptorsBeyondTheShareAreLeft) {
  Taken taken;
  const int next_descriptor = dup(0);
  close(next_descriptor);
  const int descriptors_max = next_descriptor + 10;
  const auto listener = MustBind("127.0.0.1:0", descriptors_max);
  listener->Start(taken.Taker());
  // Clients take descriptors of this process, too, so those of the last ones are beyond.
  std::vector<std::unique_ptr<Client>> clients;
  while (clients.size() < 12) {
    clients.push_back(std::make_unique<Client>(AF_INET, listener->port()));
    ASSERT_TRUE(clients.back()->is_connected());
    if (clients.size() == 1) {
      ASSERT_TRUE(taken.Await(1));
    }
  }
  EXPECT_TRUE(clients.back()->IsClosed());
  EXPECT_LT(taken.last(), descriptors_max);
  clients.clear();
  taken.CloseAll();
  const Client again(AF_INET, listener->port());
  EXPECT_TRUE(taken.Await(1));
}

TEST(ListenerTest, NoDescriptorAtAllIsWaitedOut) {
  Taken taken;
  const auto listener = MustBind("127.0.0.1:0");
  listener->Start(taken.Taker());
  // What is told on standard error comes here.
  int told[2];
  ASSERT_EQ(pipe(told), 0);
  const int standard_error = dup(STDERR_FILENO);
  dup2(told[1], STDERR_FILENO);
  std::vector<int> all;
  for (int each = dup(0); each >= 0; each = dup(0)) all.push_back(each);
  ASSERT_EQ(errno, EMFILE);
  close(all.back());
  all.pop_back();
  // Takes the last one, so that there is none for its connection, which waits in the system.
  const Client client(AF_INET, listener->port());
  EXPECT_TRUE(client.is_connected());
  std::string words(500, '\0');
  words.resize(std::max<ssize_t>(read(told[0], words.data(), words.size()), 0));
  dup2(standard_error, STDERR_FILENO);
  EXPECT_THAT(words, HasSubstr("connections are refused"));
  for (const int each : {standard_error, told[0], told[1]}) close(each);
  for (const int each : all) close(each);
  EXPECT_TRUE(taken.Await(1));
}

TEST(ListenerTest, StoppedTakesNoMore) {
  Taken taken;
  const auto listener = MustBind("127.0.0.1:0");
  listener->Start(taken.Taker());
  listener->Stop();
  EXPECT_FALSE(Client(AF_INET, listener->port()).is_connected());
}

TEST(ListenerTest, UnixSocketIsReplacedAndRemoved) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/listener-", getpid());
  const std::string address = absl::StrCat("unix:", path);
  Taken taken;
  // As a server leaves it that was killed.
  const int left = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un place{};
  place.sun_family = AF_UNIX;
  std::strncpy(place.sun_path, path.c_str(), sizeof place.sun_path - 1);
  ASSERT_EQ(bind(left, reinterpret_cast<const sockaddr*>(&place), sizeof place), 0);
  close(left);
  {
    const auto listener = MustBind(address);
    EXPECT_EQ(listener->port(), 0);
    listener->Start(taken.Taker());
    EXPECT_TRUE(Client(path).is_connected());
    ASSERT_TRUE(taken.Await(1));
  }
  struct stat there {};
  EXPECT_NE(stat(path.c_str(), &there), 0);
}

TEST(ListenerTest, WhatIsNoAddressIsSaid) {
  for (const char* const address : {"", "here", ":80", "127.0.0.1:65536", "127.0.0.1:-1",
                                    "127.0.0.1:http", "::1:80", "[::1]", "[]:80"}) {
    EXPECT_THAT(Listener::Bind(address, kAnyDescriptor),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a port of 0 to 65535")))
        << address;
  }
}

TEST(ListenerTest, WhatCannotBeListenedOnSaysWhy) {
  const auto listener = MustBind("127.0.0.1:0");
  const std::string taken = absl::StrCat("127.0.0.1:", listener->port());
  const std::string file = absl::StrCat(::testing::TempDir(), "/file-", getpid());
  close(open(file.c_str(), O_CREAT | O_WRONLY, 0600));
  const std::pair<std::string, std::string> cases[] = {
      {taken, "another server has this port"},
      {"256.1.1.1:0", "no address of this machine"},
      {"192.0.2.1:0", "no address of this machine"},
      {"no.such.host.invalid:1", "no address of this machine"},
      {"unix:/nowhere/socket", "No such file"},
      {absl::StrCat("unix:", file), "a file of that name is there"},
      {"unix:", "a path of 1 to 107 bytes"},
      {absl::StrCat("unix:/", std::string(200, 'x')), "a path of 1 to 107 bytes"},
  };
  for (const auto& [address, words] : cases) {
    EXPECT_THAT(Listener::Bind(address, kAnyDescriptor),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(words)))
        << address;
  }
  unlink(file.c_str());
}

}  // namespace
}  // namespace skald::api
