#include "api/convert_model.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/convert_common.h"
#include "api/validate.h"
#include "base/errors.h"
#include "base/utf8.h"
#include "engine/query/filter_text.h"

namespace skald::api {
namespace {

constexpr Micros kWaitDefault = 5 * kSecond;
constexpr Micros kWaitMax = 30 * kSecond;

v1::ReadModel::Kind ToProto(projection::ModelKind kind) {
  switch (kind) {
    case projection::ModelKind::kFolded:
      return v1::ReadModel::KIND_FOLDED;
    case projection::ModelKind::kLive:
      return v1::ReadModel::KIND_LIVE;
    case projection::ModelKind::kOfSaga:
      return v1::ReadModel::KIND_OF_SAGA;
  }
  return v1::ReadModel::KIND_UNSPECIFIED;
}

v1::ReadModel::Column::Type ToProto(projection::ColumnType type) {
  switch (type) {
    case projection::ColumnType::kText:
      return v1::ReadModel::Column::TYPE_TEXT;
    case projection::ColumnType::kInteger:
      return v1::ReadModel::Column::TYPE_INTEGER;
    case projection::ColumnType::kNumber:
      return v1::ReadModel::Column::TYPE_NUMBER;
    case projection::ColumnType::kBoolean:
      return v1::ReadModel::Column::TYPE_BOOLEAN;
    case projection::ColumnType::kTime:
      return v1::ReadModel::Column::TYPE_TIME;
    case projection::ColumnType::kJson:
      return v1::ReadModel::Column::TYPE_JSON;
  }
  return v1::ReadModel::Column::TYPE_UNSPECIFIED;
}

absl::StatusOr<query::Operator> FromProto(v1::Condition::Operator op) {
  switch (op) {
    case v1::Condition::OPERATOR_EQUAL:
      return query::Operator::kEqual;
    case v1::Condition::OPERATOR_NOT_EQUAL:
      return query::Operator::kNotEqual;
    case v1::Condition::OPERATOR_LESS:
      return query::Operator::kLess;
    case v1::Condition::OPERATOR_LESS_OR_EQUAL:
      return query::Operator::kLessOrEqual;
    case v1::Condition::OPERATOR_GREATER:
      return query::Operator::kGreater;
    case v1::Condition::OPERATOR_GREATER_OR_EQUAL:
      return query::Operator::kGreaterOrEqual;
    case v1::Condition::OPERATOR_IN:
      return query::Operator::kIn;
    case v1::Condition::OPERATOR_IS_NULL:
      return query::Operator::kIsNull;
    case v1::Condition::OPERATOR_IS_NOT_NULL:
      return query::Operator::kIsNotNull;
    case v1::Condition::OPERATOR_PREFIX:
      return query::Operator::kPrefix;
    default:
      return absl::InvalidArgumentError("has no operator that this server knows");
  }
}

absl::StatusOr<query::Condition> FromProto(const projection::ModelSchema& schema,
                                           const v1::Condition& proto) {
  const absl::StatusOr<query::Operator> op = FromProto(proto.operator_());
  if (!op.ok()) return op.status();
  const projection::Column* column = schema.FindColumn(proto.column());
  if (column == nullptr) {
    return absl::InvalidArgumentError(query::UnknownColumn(schema, proto.column()));
  }
  if (static_cast<size_t>(proto.values_size()) > query::kConditionValuesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("has more than ", query::kConditionValuesMax, " values"));
  }
  query::Condition condition{.column = proto.column(), .op = *op, .values = {}};
  for (const std::string& text : proto.values()) {
    // A prefix is a text, also of a time.
    absl::StatusOr<Json> value = *op == query::Operator::kPrefix && IsValidUtf8(text)
                                     ? Json::String(text)
                                     : query::ParseValue(*column, text);
    if (!value.ok()) return value.status();
    condition.values.push_back(*std::move(value));
  }
  return condition;
}

}  // namespace

void SetReadModel(const projection::ModelSchema& schema, v1::ReadModel& proto) {
  proto.set_name(schema.name);
  proto.set_description(schema.description);
  proto.set_kind(ToProto(schema.kind));
  proto.set_built_in(schema.built_in);
  for (const projection::Column& column : schema.columns) {
    v1::ReadModel::Column& out = *proto.add_columns();
    out.set_name(column.name);
    out.set_type(ToProto(column.type));
    out.set_description(column.description);
    for (const std::string& member : column.path) out.add_path(member);
    if (column.path.empty()) out.add_path(column.name);
  }
  proto.set_key_columns(static_cast<uint32_t>(schema.key_columns));
  for (const projection::Index& index : schema.indexes) {
    v1::ReadModel::Index& out = *proto.add_indexes();
    out.set_name(index.name);
    for (const std::string& column : index.columns) out.add_columns(column);
  }
  proto.set_history(schema.history);
}

void SetCut(const projection::Cut& cut, uint64_t generation, v1::ReadCut& proto) {
  SetTimestamp(cut.time, *proto.mutable_as_of_time());
  for (size_t i = 0; i < cut.positions.size(); ++i) {
    SetPosition({PartitionId(static_cast<uint32_t>(i)), cut.positions[i]}, *proto.add_positions());
  }
  proto.set_generation(generation);
}

absl::Status CheckReadOptions(const v1::ReadOptions& proto, uint32_t partition_count) {
  Violations violations;
  if (proto.allow_stale() && proto.min_positions_size() > 0) {
    violations.Add("options.allow_stale", "excludes min_positions");
  }
  if (proto.as_of_case() != v1::ReadOptions::AS_OF_NOT_SET && proto.min_positions_size() > 0) {
    violations.Add("options.as_of", "excludes min_positions: what is read is fixed");
  }
  if (static_cast<uint32_t>(proto.min_positions_size()) > partition_count) {
    violations.Add("options.min_positions",
                   absl::StrCat("has more than the ", partition_count, " partitions"));
  }
  for (const v1::LogPosition& position : proto.min_positions()) {
    if (position.partition() >= partition_count) {
      violations.Add("options.min_positions",
                     absl::StrCat("there is no partition ", position.partition(), "; there are ",
                                  partition_count));
      break;
    }
  }
  if (proto.has_as_of_position() && proto.as_of_position().partition() >= partition_count) {
    violations.Add("options.as_of_position",
                   absl::StrCat("there are ", partition_count, " partitions"));
  }
  if (proto.has_as_of_time() && !ToTime(proto.as_of_time())) {
    violations.Add("options.as_of_time", "is no time of a log");
  }
  return violations.ToStatus();
}

projection::OpenOptions ToOpenOptions(const v1::ReadOptions& proto) {
  projection::OpenOptions options;
  for (const v1::LogPosition& position : proto.min_positions()) {
    options.min_positions.emplace_back(PartitionId(position.partition()),
                                       Position(position.position()));
  }
  options.allow_stale = proto.allow_stale();
  options.wait_until =
      Timestamp(proto.has_timeout() ? ToMicros(proto.timeout(), kWaitMax) : kWaitDefault);
  if (proto.has_as_of_time()) {
    options.as_of_time = ToTime(proto.as_of_time());
  } else if (proto.has_as_of_position()) {
    options.as_of_position = {PartitionId(proto.as_of_position().partition()),
                              Position(proto.as_of_position().position())};
  }
  return options;
}

absl::StatusOr<query::Filter> ToFilter(const projection::ModelSchema& schema,
                                       const v1::RowFilter& proto) {
  if (static_cast<size_t>(proto.conditions_size()) + static_cast<size_t>(proto.where_size()) >
      query::kConditionsMax) {
    return BadRequestError("filter",
                           absl::StrCat("has more than ", query::kConditionsMax, " conditions"));
  }
  query::Violations violations;
  std::vector<query::Condition> conditions;
  std::vector<std::string> fields;
  const auto add = [&](std::string field, absl::StatusOr<query::Condition> condition) {
    if (!condition.ok()) {
      violations.emplace_back(std::move(field), std::string(condition.status().message()));
      return;
    }
    conditions.push_back(*std::move(condition));
    fields.push_back(std::move(field));
  };
  for (int i = 0; i < proto.conditions_size(); ++i) {
    add(absl::StrCat("filter.conditions[", i, "]"), FromProto(schema, proto.conditions(i)));
  }
  for (int i = 0; i < proto.where_size(); ++i) {
    add(absl::StrCat("filter.where[", i, "]"), query::ParseCondition(schema, proto.where(i)));
  }
  absl::StatusOr<query::Filter> filter = query::Filter::Make(schema, std::move(conditions), fields);
  if (violations.empty()) return filter;
  if (const auto info = GetErrorInfo(filter.status())) {
    violations.insert(violations.end(), info->violations.begin(), info->violations.end());
  }
  return BadRequestError(std::move(violations));
}

query::Order ToOrder(const v1::RowOrder& proto) {
  return {.columns = {proto.columns().begin(), proto.columns().end()},
          .descending = proto.descending()};
}

}  // namespace skald::api
