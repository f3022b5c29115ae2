# The warnings every target of ours is compiled with. -Werror is a preset's choice, not this file's. Designated initializers leave
# fields at their defaults on purpose, so missing ones are no warning.
add_library(skald_warnings INTERFACE)
target_compile_options(skald_warnings INTERFACE
  -Wall -Wextra -Wno-missing-field-initializers -Wconversion -Wno-sign-conversion -Wshadow -Wnon-virtual-dtor -Wunused-result
  # gcc 12 reports these falsely on inlined std::string (GCC bugs 105329, 105651).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict -Wno-stringop-overflow -Wno-array-bounds -Wno-maybe-uninitialized>
  $<$<CXX_COMPILER_ID:GNU>:-Werror=unused-result>
  $<$<CXX_COMPILER_ID:Clang>:-Werror=unused-result -Wthread-safety>)
