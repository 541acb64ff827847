# The web site in which every unit of a run can be looked at.
rule gallery:
    input:
        model="results/{run}/train/model.pt",
        metrics="results/{run}/train/metrics.csv",
        images=packed("val"),
        topk="results/{run}/mine/topk.h5",
        layers=lambda wildcards: reconstructions(wildcards.run),
        report=lambda wildcards: f"results/data/{run_of(wildcards)['dataset']}/check/report.json",
        page=lambda wildcards: f"results/data/{run_of(wildcards)['dataset']}/check/report.html",
        evolution=evolution_file,
        beside=beside_files,
    output:
        directory("results/{run}/gallery"),
    log:
        "results/{run}/log/gallery.log",
    conda:
        "../envs/zfpipe.yaml"
    params:
        settings=lambda wildcards: flags(
            run_of(wildcards)["figure"], "quantile", "channels"
        ),
        config=told_settings,
        evolution=lambda wildcards, input: flags(
            {"evolution": input.evolution or None}, "evolution"
        ),
        beside=beside_flags,
        code=code("gallery"),
    shell:
        "zfpipe gallery --run {wildcards.run} --model {input.model:q} --metrics {input.metrics:q} "
        "--images {input.images:q} --topk {input.topk:q} --reconstructions {input.layers:q} "
        "--report {input.report:q} --report-page {input.page:q} --config {params.config:q} {params.evolution} {params.beside} "
        "{params.settings} --out {output:q} 2> >(tee -a {log:q} >&2)"
