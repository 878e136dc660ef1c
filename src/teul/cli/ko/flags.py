"""Help texts of flags. Several commands share a text, so they are kept together."""

MESSAGES: dict[str, str] = {
    "Output format: json, or a Go template such as {{.Version}}": "출력 형식: json 또는 {{.Version}} 같은 Go 템플릿",
    "Output format: json, or a Go template such as {{.ServerVersion}}": (
        "출력 형식: json 또는 {{.ServerVersion}} 같은 Go 템플릿"
    ),
    "Output format: json, or a Go template for each check such as {{.Name}} {{.State}}": (
        "출력 형식: json 또는 항목마다 쓸 Go 템플릿(예: {{.Name}} {{.State}})"
    ),
}
