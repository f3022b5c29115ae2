#include "engine/projection/models/built_in.h"

#include <utility>

namespace skald::projection {

std::vector<std::shared_ptr<const Model>> BuiltInModels(ProgramFinder find_program) {
  std::vector<std::shared_ptr<const Model>> models;
  models.push_back(std::make_shared<const Model>(SagasModel(find_program)));
  models.push_back(std::make_shared<const Model>(IncidentsModel()));
  models.push_back(std::make_shared<const Model>(DefinitionsModel()));
  models.push_back(std::make_shared<const Model>(ThroughputModel()));
  models.push_back(std::make_shared<const Model>(AttributesModel(std::move(find_program))));
  return models;
}

}  // namespace skald::projection
