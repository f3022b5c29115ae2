# skald_cc_library(NAME saga SRCS ... DEPS ...)   -> target skald_saga, alias skald::saga
# skald_cc_binary(NAME skaldd SRCS ... DEPS ...)  -> an executable of that name
# skald_cc_test(NAME saga_test SRCS ... DEPS ... [LABELS ...] [TIMEOUT seconds])
# skald_cc_benchmark(NAME decide_benchmark SRCS ... DEPS ...)
# skald_cc_fuzzer(NAME json_fuzzer SRCS ... DEPS ... [CORPUS folder])
# Header-only targets leave SRCS out. All include from the root of the source tree.

# One precompiled header, of what nearly every file includes; targets reuse it.
file(WRITE ${CMAKE_BINARY_DIR}/pch.cc.in "")
file(COPY_FILE ${CMAKE_BINARY_DIR}/pch.cc.in ${CMAKE_BINARY_DIR}/pch.cc ONLY_IF_DIFFERENT)
add_library(skald_pch STATIC ${CMAKE_BINARY_DIR}/pch.cc)
target_link_libraries(skald_pch PUBLIC absl::status absl::statusor absl::strings absl::str_format
  absl::flat_hash_map absl::btree absl::span absl::time PRIVATE skald_warnings skald_sanitizers)
target_precompile_headers(skald_pch PRIVATE
  <algorithm> <cstdint> <functional> <memory> <optional> <string> <utility> <variant> <vector>
  <absl/container/btree_map.h> <absl/container/flat_hash_map.h> <absl/status/status.h> <absl/status/statusor.h>
  <absl/strings/str_cat.h> <absl/strings/str_format.h> <absl/strings/string_view.h> <absl/time/time.h>
  <absl/types/span.h>)
# The compiler must see no difference between a file that uses the header and one restored by ccache.
target_compile_options(skald_pch PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess> -pthread)

function(skald_configure target)
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE skald_warnings skald_sanitizers)
  # -pthread because gRPC's and protobuf's targets bring it: all users of the header must agree.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess> -pthread)
  target_precompile_headers(${target} REUSE_FROM skald_pch)
  target_link_libraries(${target} PRIVATE absl::status absl::statusor absl::strings absl::str_format
    absl::flat_hash_map absl::btree absl::span absl::time)
endfunction()

function(skald_cc_library)
  cmake_parse_arguments(ARG "" "NAME" "SRCS;DEPS" ${ARGN})
  if(ARG_SRCS)
    add_library(skald_${ARG_NAME} STATIC ${ARG_SRCS})
    target_link_libraries(skald_${ARG_NAME} PUBLIC ${ARG_DEPS})
    skald_configure(skald_${ARG_NAME})
  else()
    add_library(skald_${ARG_NAME} INTERFACE)
    target_include_directories(skald_${ARG_NAME} INTERFACE ${CMAKE_SOURCE_DIR})
    target_link_libraries(skald_${ARG_NAME} INTERFACE ${ARG_DEPS})
  endif()
  add_library(skald::${ARG_NAME} ALIAS skald_${ARG_NAME})
endfunction()

function(skald_cc_binary)
  cmake_parse_arguments(ARG "" "NAME" "SRCS;DEPS" ${ARGN})
  add_executable(${ARG_NAME} ${ARG_SRCS})
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_DEPS})
  skald_configure(${ARG_NAME})
endfunction()

function(skald_cc_test)
  if(NOT SKALD_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "NAME;TIMEOUT" "SRCS;DEPS;LABELS" ${ARGN})
  add_executable(${ARG_NAME} ${ARG_SRCS})
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_DEPS} GTest::gtest GTest::gmock GTest::gtest_main)
  skald_configure(${ARG_NAME})
  target_compile_definitions(${ARG_NAME} PRIVATE SKALD_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_test(NAME ${ARG_NAME} COMMAND ${ARG_NAME})
  # Against a test that hangs: the longest takes 165 s under TSan on two quiet cores.
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  set_tests_properties(${ARG_NAME} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
  if(SKALD_SANITIZE STREQUAL "thread")
    set_tests_properties(${ARG_NAME} PROPERTIES
      ENVIRONMENT TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/support/tsan.supp:history_size=7)
  endif()
endfunction()

function(skald_cc_benchmark)
  if(NOT SKALD_BUILD_BENCHMARKS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "NAME" "SRCS;DEPS" ${ARGN})
  add_executable(${ARG_NAME} ${ARG_SRCS})
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_DEPS} benchmark::benchmark benchmark::benchmark_main)
  skald_configure(${ARG_NAME})
endfunction()

function(skald_cc_fuzzer)
  if(NOT SKALD_BUILD_FUZZERS AND NOT SKALD_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "NAME;CORPUS" "SRCS;DEPS" ${ARGN})
  add_executable(${ARG_NAME} ${ARG_SRCS})
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_DEPS})
  skald_configure(${ARG_NAME})
  if(NOT SKALD_BUILD_FUZZERS)
    target_sources(${ARG_NAME} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fuzz/replay_corpus.cc)
    add_test(NAME ${ARG_NAME} COMMAND ${ARG_NAME} ${ARG_CORPUS})
    set_tests_properties(${ARG_NAME} PROPERTIES LABELS corpus TIMEOUT 300)
    return()
  endif()
  target_link_options(${ARG_NAME} PRIVATE -fsanitize=fuzzer)
  if(SKALD_BUILD_TESTS)
    # libFuzzer adds what it finds to the first folder: not to the one in the source tree.
    set(found ${CMAKE_CURRENT_BINARY_DIR}/${ARG_NAME}_found)
    file(MAKE_DIRECTORY ${found})
    add_test(NAME ${ARG_NAME} COMMAND ${ARG_NAME} -max_total_time=30 -timeout=10 -rss_limit_mb=2048
      -artifact_prefix=${found}/ ${found} ${ARG_CORPUS})
    set_tests_properties(${ARG_NAME} PROPERTIES LABELS fuzz TIMEOUT 120)
  endif()
endfunction()
