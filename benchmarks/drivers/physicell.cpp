// Runs PhysiCell and its BioFVM on a problem that benchmarks/tissue_peers.py describes, and times them.
//
//   driver field IN OUT        one substrate or several that diffuse, decay, and are exchanged by agents
//   driver cells IN OUT        cells that take up oxygen, divide and die, with the mechanics of PhysiCell or without
//
// IN and OUT are doubles in the byte order of the machine; `Reader` below takes them in the order written there.
// No part of PhysiCell is in this file: it is compiled against a release that the user names.

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "core/PhysiCell.h"
#include "modules/PhysiCell_standard_modules.h"

using namespace BioFVM;
using namespace PhysiCell;

struct Reader {
  std::vector<double> all;
  size_t at = 0;
  explicit Reader(const char* path) {
    std::ifstream f(path, std::ios::binary | std::ios::ate);
    if (!f) { std::fprintf(stderr, "cannot read %s\n", path); std::exit(2); }
    all.resize(f.tellg() / sizeof(double));
    f.seekg(0);
    f.read((char*)all.data(), all.size() * sizeof(double));
  }
  double one() {
    if (at >= all.size()) { std::fprintf(stderr, "input too short\n"); std::exit(2); }
    return all[at++];
  }
  std::vector<double> many(size_t n) {
    std::vector<double> v(n);
    for (auto& x : v) x = one();
    return v;
  }
};

static void write(const char* path, const std::vector<double>& values) {
  std::ofstream f(path, std::ios::binary);
  f.write((const char*)values.data(), values.size() * sizeof(double));
}

static double cpu_seconds() { return double(std::clock()) / CLOCKS_PER_SEC; }

static double resident_bytes() {  // of this process, where the system tells
  std::ifstream f("/proc/self/statm");
  double pages = 0, resident = 0;
  f >> pages >> resident;
  return resident * 4096.0;
}

static void space(const double n[3], double h, int substrates, const std::vector<double>& D,
                  const std::vector<double>& decay) {
  auto& o = default_microenvironment_options;
  o.use_oxygen_as_first_field = false;
  o.outer_Dirichlet_conditions = false;
  o.calculate_gradients = false;
  o.dx = o.dy = o.dz = h;
  o.X_range = {0.0, n[0] * h};
  o.Y_range = {0.0, n[1] * h};
  o.Z_range = {0.0, n[2] * h};
  microenvironment.set_density(0, "s0", "mmHg");
  for (int i = 1; i < substrates; i++) microenvironment.add_density("s" + std::to_string(i), "mmHg");
  for (int i = 0; i < substrates; i++) {
    microenvironment.diffusion_coefficients[i] = D[i];
    microenvironment.decay_rates[i] = decay[i];
  }
  o.initial_condition_vector.assign(substrates, 0.0);
  initialize_microenvironment();
}

// --- a field ---------------------------------------------------------------------------------------------------------

static int field(const char* in, const char* out) {
  Reader r(in);
  double n[3] = {r.one(), r.one(), r.one()};
  double h = r.one(), dt = r.one();
  int substrates = int(r.one()), compared = int(r.one()), timed = int(r.one()), repeats = int(r.one());
  auto D = r.many(substrates), decay = r.many(substrates);
  size_t voxels = size_t(n[0] * n[1] * n[2]);
  auto secretion = r.many(voxels), target = r.many(voxels), uptake = r.many(voxels);
  auto start = r.many(voxels * substrates);
  space(n, h, substrates, D, decay);
  for (size_t v = 0; v < voxels; v++)
    for (int i = 0; i < substrates; i++) microenvironment.density_vector(v)[i] = start[i * voxels + v];
  Agent_Container container;
  microenvironment.agent_container = &container;
  for (size_t v = 0; v < voxels; v++) {
    if (secretion[v] + uptake[v] <= 0.0) continue;
    Basic_Agent* a = create_basic_agent();
    a->register_microenvironment(&microenvironment);
    a->assign_position(microenvironment.mesh.voxels[v].center);
    a->set_total_volume(h * h * h);
    a->secretion_rates->assign(substrates, secretion[v]);
    a->saturation_densities->assign(substrates, target[v]);
    a->uptake_rates->assign(substrates, uptake[v]);
    a->set_internal_uptake_constants(dt);
  }
  for (int k = 0; k < compared; k++) {
    microenvironment.simulate_cell_sources_and_sinks(dt);
    microenvironment.simulate_diffusion_decay(dt);
  }
  std::vector<double> result;
  for (int i = 0; i < substrates; i++)
    for (size_t v = 0; v < voxels; v++) result.push_back(microenvironment.density_vector(v)[i]);
  for (int what = 0; what < 2; what++)  // diffusion and decay; the agents' exchange as well
    for (int k = 0; k < repeats; k++) {
      double begin = cpu_seconds();
      for (int j = 0; j < timed; j++) {
        if (what) microenvironment.simulate_cell_sources_and_sinks(dt);
        microenvironment.simulate_diffusion_decay(dt);
      }
      result.push_back((cpu_seconds() - begin) / timed);
    }
  write(out, result);
  return 0;
}

// --- cells -----------------------------------------------------------------------------------------------------------

static double rule[5];  // division per minute at most, oxygen where it begins and where it is full; death, and below
static double cell_volume;
static double divisions = 0, deaths = 0;

static double ramp(double x, double from, double to) { return std::fmin(1.0, std::fmax(0.0, (x - from) / (to - from))); }

static Cycle_Model& live_cycle() { return PhysiCell::live; }

static void divide_or_die(Cell* cell, Phenotype& phenotype, double dt) {
  double p = cell->nearest_density_vector()[0];
  double grow = rule[0] * ramp(p, rule[1], rule[2]), die = rule[3] * (1.0 - ramp(p, 0.0, rule[4]));
  phenotype.volume.multiply_by_ratio(cell_volume / phenotype.volume.total);  // a daughter has the volume of her mother
  cell->set_total_volume(cell_volume);
  double total = grow + die;
  if (UniformRandom() >= 1.0 - std::exp(-total * dt)) return;
  if (UniformRandom() * total < die) {
    deaths += 1;
    phenotype.flagged_for_removal = true;
  } else {
    divisions += 1;
    phenotype.flagged_for_division = true;
  }
}

static Cell* put(Cell_Definition& definition, size_t voxel, double volume) {
  Cell* cell = create_cell(definition);
  cell->assign_position(microenvironment.mesh.voxels[voxel].center);
  cell->phenotype.volume.multiply_by_ratio(volume / cell->phenotype.volume.total);
  cell->set_total_volume(volume);
  cell->phenotype.geometry.update(cell, cell->phenotype, 0.0);
  return cell;
}

static int cells(const char* in, const char* out) {
  Reader r(in);
  double n[3] = {r.one(), r.one(), r.one()};
  double h = r.one(), D = r.one(), decay = r.one();
  double uptake = r.one(), exchange = r.one(), inside = r.one(), start = r.one();
  for (auto& x : rule) x = r.one();
  cell_volume = r.one();
  bool mechanics = r.one() > 0.0;
  double settle = r.one(), minutes = r.one(), seed = r.one();
  diffusion_dt = r.one();
  auto here = r.many(size_t(r.one())), vessels = r.many(size_t(r.one()));
  SeedRandom(long(seed));
  omp_set_num_threads(1);
  PhysiCell_settings.omp_num_threads = 1;
  PhysiCell_settings.disable_automated_spring_adhesions = true;
  double empty = resident_bytes();
  space(n, h, 1, {D}, {decay});
  for (size_t v = 0; v < microenvironment.number_of_voxels(); v++) microenvironment.density_vector(v)[0] = start;
  Cell_Container* container = create_cell_container_for_microenvironment(microenvironment, 30.0);
  initialize_default_cell_definition();
  cell_defaults.phenotype.secretion.sync_to_microenvironment(&microenvironment);
  cell_defaults.name = "tumour";
  cell_defaults.type = 0;
  cell_defaults.is_movable = mechanics;
  auto& f = cell_defaults.functions;
  f.volume_update_function = NULL;
  f.update_phenotype = divide_or_die;
  f.update_velocity = mechanics ? standard_update_cell_velocity : NULL;
  f.cycle_model = live_cycle();
  auto& phenotype = cell_defaults.phenotype;
  phenotype.cycle.sync_to_cycle_model(f.cycle_model);
  phenotype.cycle.data.transition_rate(0, 0) = 0.0;  // `divide_or_die` decides who divides
  for (auto& rate : phenotype.death.rates) rate = 0.0;
  phenotype.motility.is_motile = false;
  double per_agent = h * h * h / cell_volume;  // BioFVM takes rates by the volume of the agent
  phenotype.secretion.uptake_rates[0] = uptake * per_agent;
  Cell_Definition vessel;
  vessel = cell_defaults;
  vessel.name = "vessel";
  vessel.type = 1;
  vessel.is_movable = false;
  vessel.functions.update_phenotype = NULL;
  vessel.functions.update_velocity = NULL;
  vessel.phenotype.secretion.uptake_rates[0] = 0.0;
  vessel.phenotype.secretion.secretion_rates[0] = exchange * per_agent;
  vessel.phenotype.secretion.saturation_densities[0] = inside;
  build_cell_definitions_maps();
  setup_signal_behavior_dictionaries();
  for (auto* one : {&cell_defaults, &vessel}) {
    one->phenotype.cell_interactions.sync_to_cell_definitions();
    one->phenotype.cell_transformations.sync_to_cell_definitions();
    one->phenotype.cycle.asymmetric_division.sync_to_cell_definitions();
    one->phenotype.mechanics.sync_to_cell_definitions();
  }
  double meshed = resident_bytes();
  for (double v : vessels) put(vessel, size_t(v), cell_volume);
  for (double v : here) put(cell_defaults, size_t(v), cell_volume);
  double filled = resident_bytes();

  // oxygen comes to rest while nobody divides or dies
  for (auto* cell : *all_cells) cell->phenotype.secretion.advance(cell, cell->phenotype, diffusion_dt);
  for (long k = 0; k < std::lround(settle / diffusion_dt); k++) {
    microenvironment.simulate_diffusion_decay(diffusion_dt);
    for (auto* cell : *all_cells) cell->phenotype.secretion.advance(cell, cell->phenotype, diffusion_dt);
  }
  std::vector<double> result;
  for (size_t v = 0; v < microenvironment.number_of_voxels(); v++) result.push_back(microenvironment.density_vector(v)[0]);
  double begin = cpu_seconds(), time = phenotype_dt;
  container->last_cell_cycle_time = container->last_mechanics_time = 0.0;
  for (long k = 0; k < std::lround(minutes / diffusion_dt); k++) {
    microenvironment.simulate_diffusion_decay(diffusion_dt);
    container->update_all_cells(time);
    time += diffusion_dt;
  }
  result.push_back(cpu_seconds() - begin);
  double left = 0.0;
  for (auto* cell : *all_cells) left += cell->type == 0;
  for (double x : {left, divisions, deaths, (filled - meshed) / double(here.size() + vessels.size()), meshed - empty})
    result.push_back(x);
  write(out, result);
  return 0;
}

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s field|cells IN OUT\n", argv[0]);
    return 2;
  }
  std::string what = argv[1];
  if (what == "field") return field(argv[2], argv[3]);
  if (what == "cells") return cells(argv[2], argv[3]);
  std::fprintf(stderr, "%s: expected field or cells\n", argv[1]);
  return 2;
}
