# Pictures.
rule figure:
    input:
        reconstruction="results/{run}/reconstruct/{layer}.h5",
        topk="results/{run}/mine/topk.h5",
    output:
        png=report(
            "results/{run}/figure/{layer}.png",
            caption="../report/figure.rst",
            category="{run}",
            labels={"layer": "{layer}", "shows": "strongest patches"},
        ),
        pdf="results/{run}/figure/{layer}.pdf",
    log:
        "results/{run}/log/figure-{layer}.log",
    conda:
        "../envs/zfpipe.yaml"
    params:
        units=shown_units,
        settings=lambda wildcards: flags(
            run_of(wildcards)["figure"], "scale", "quantile", "dpi", "channels"
        ),
        code=code("figure"),
    shell:
        "zfpipe figure --reconstruction {input.reconstruction:q} --topk {input.topk:q} --title {wildcards.run} "
        "{params.units} {params.settings} --out-png {output.png:q} --out-pdf {output.pdf:q} "
        "2> >(tee -a {log:q} >&2)"


rule beside:
    input:
        reconstruction="results/{run}/reconstruct/{layer}.h5",
        topk="results/{run}/mine/topk.h5",
        other="results/{other}/reconstruct/{layer}.h5",
    output:
        png=report(
            "results/{run}/figure/{layer}-beside-{other}.png",
            caption="../report/figure.rst",
            category="{run}",
            labels={"layer": "{layer}", "shows": "beside {other}"},
        ),
        pdf="results/{run}/figure/{layer}-beside-{other}.pdf",
    log:
        "results/{run}/log/figure-{layer}-beside-{other}.log",
    conda:
        "../envs/zfpipe.yaml"
    params:
        units=shown_units,
        settings=lambda wildcards: flags(
            run_of(wildcards)["figure"], "scale", "quantile", "dpi", "channels"
        ),
        code=code("figure"),
    shell:
        "zfpipe figure --reconstruction {input.reconstruction:q} --topk {input.topk:q} --title {wildcards.run} "
        "--beside {input.other:q} --beside-title {wildcards.other} "
        "{params.units} {params.settings} --out-png {output.png:q} --out-pdf {output.pdf:q} "
        "2> >(tee -a {log:q} >&2)"


# One image: on the CPU, so that it runs beside snakemake, on a login node too, whatever `device` says.
rule view:
    input:
        model="results/{run}/train/model.pt",
        image=named_file("view"),
    output:
        report(
            "results/{run}/view/{image}/{layer}.png",
            caption="../report/view.rst",
            category="{run}",
            labels={"layer": "{layer}", "shows": "{image}"},
        ),
    log:
        "results/{run}/log/view-{image}-{layer}.log",
    conda:
        "../envs/zfpipe.yaml"
    params:
        image=named_image("view"),
        settings=lambda wildcards: flags(
            run_of(wildcards)["view"], "count", "quantile", "dpi"
        ),
        collide=lambda wildcards: flags(run_of(wildcards)["reconstruct"], "collide"),
        channels=lambda wildcards: flags(run_of(wildcards)["figure"], "channels"),
        code=code("view"),
    shell:
        "zfpipe view --model {input.model:q} --image {params.image:q} --title '{wildcards.run} · {wildcards.image}' "
        "--layer {wildcards.layer} {params.settings} {params.collide} {params.channels} --device cpu "
        "--out {output:q} 2> >(tee -a {log:q} >&2)"
