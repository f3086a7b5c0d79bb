//! The core by itself: the paths whose instructions are counted (see `counted/`), in time.
#![allow(missing_docs, reason = "criterion's macros")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn paths(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("core");
    for path in counted::paths() {
        let mut work = (path.make)();
        group.throughput(Throughput::Elements(path.units));
        group.bench_function(path.name, |bench| bench.iter(&mut work));
    }
}

criterion_group!(benches, paths);
criterion_main!(benches);
