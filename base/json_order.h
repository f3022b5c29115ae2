// JSON values as bytes that sort as the values do: what keys of sorted stores are made of.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "base/json.h"

namespace skald {

// Appends bytes whose order is that of Json::Compare, and which end by themselves: no value's bytes
// are a prefix of another's. Equal values give equal bytes. What lies deeper than 64 levels does not
// count.
//
// A tag by kind (1 null, 2 false, 3 true, 4 number, 5 string, 6 array, 7 object), then
//   number: 0 not-a-number, or sign (1 negative, 2 zero, 3 positive), then the decimal exponent as
//     8 biased bytes and the digits, ended by 0; all of it complemented when negative
//   string: UTF-8 with 0x00 as 0x00 0xFF, ended by 0x00 0x01
//   array: its elements, ended by 0
//   object: its sorted keys as an array, then the values in that order
void AppendOrdered(const Json& value, std::string& out);

// Takes one value's bytes off the front. False when they are malformed.
bool SkipOrdered(absl::string_view& bytes);

// The same, of a string's bytes, which it puts into `text`. False also when it is another value.
bool TakeOrderedString(absl::string_view& bytes, std::string* text);

}  // namespace skald
