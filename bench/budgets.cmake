# Instructions of the ways that every saga takes, held against bench/budgets.json.
if(SKALD_BUILD_BENCHMARKS)
  skald_cc_binary(NAME instruction_cost SRCS instruction_cost.cc order_saga.cc
    DEPS skald::saga skald::definition skald::projection skald::task skald::storage_memory)
  if(SKALD_BUILD_TESTS)
    find_program(SKALD_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
    add_test(NAME instruction_budgets COMMAND ${SKALD_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/budgets.py
      --program $<TARGET_FILE:instruction_cost> --build "${CMAKE_BUILD_TYPE}${SKALD_SANITIZE}"
      --compiler "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}")
    set_tests_properties(instruction_budgets PROPERTIES LABELS bench SKIP_RETURN_CODE 77 TIMEOUT 300)
  endif()
endif()
