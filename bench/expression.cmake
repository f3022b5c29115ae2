skald_cc_benchmark(NAME expression_benchmark SRCS expression_benchmark.cc DEPS skald::expression)
# libjq, to compare with: an oracle of the benchmark, never a part of the product.
find_path(SKALD_LIBJQ_INCLUDE jq.h)
find_library(SKALD_LIBJQ jq)
if(TARGET expression_benchmark AND SKALD_LIBJQ_INCLUDE AND SKALD_LIBJQ)
  target_sources(expression_benchmark PRIVATE libjq_benchmark.cc)
  target_include_directories(expression_benchmark SYSTEM PRIVATE ${SKALD_LIBJQ_INCLUDE})
  target_link_libraries(expression_benchmark PRIVATE ${SKALD_LIBJQ})
endif()
