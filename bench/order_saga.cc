#include "bench/order_saga.h"

#include "engine/saga/pending.h"

namespace skald::bench {
namespace {

constexpr char kDefinition[] = R"(
document: { dsl: '1.0.3', namespace: bench, name: order, version: '1.0.0' }
do:
  - reserve: { call: reserveStock, metadata: { saga: { compensate: releaseStock } } }
  - charge: { call: chargeCard, metadata: { saga: { compensate: refund } } }
  - ship: { call: shipOrder }
)";

constexpr char kInput[] =
    R"({"order":"o-12345","customer":{"id":"c-77","name":"Ada","email":"ada@example.com"},"items":[{"sku":"A1","qty":2,"price":19.9}]})";

}  // namespace

std::shared_ptr<const definition::Program> OrderProgram() {
  static const std::shared_ptr<const definition::Program> program =
      definition::Compile(kDefinition).program;
  return program;
}

std::vector<saga::Decision> PlayOrder(const std::string& saga_id, Position first) {
  std::vector<saga::Decision> decisions;
  saga::SagaState state;
  saga::DecideContext context{
      .now = Timestamp(1'700'000'000 * kSecond), .random = 7, .program = OrderProgram().get()};
  saga::Command command{.saga = {"bench", saga_id}};
  command.request = saga::StartSaga{.input = {Json::Parse(kInput).value(), kInput}};
  for (int step = 0; step < 4; ++step) {
    context.next_position = first.Plus(state.events);
    decisions.push_back(saga::Decide(state, command, context));
    state = decisions.back().state;
    if (state.is_ended()) break;
    const saga::OpenCall call = saga::OpenCalls(state).front();
    command.request =
        saga::AnswerTask{.token = {command.saga, call.frame, call.attempt},
                         .output = saga::Payload{Json::Parse(kInput).value(), kInput}};
  }
  return decisions;
}

}  // namespace skald::bench
