"""Errors of `--format` templates."""

MESSAGES = {
    "template `{template}`: {reason}": "템플릿 `{template}`: {reason}",
    "template `{template}`: no field `{name}`": "템플릿 `{template}`: `{name}` 필드가 없습니다",
    "fields: {known}": "쓸 수 있는 필드: {known}",
    "unclosed action": "`{{`가 닫히지 않았습니다",
    "unexpected {word}": "`{word}`가 올 자리가 아닙니다",
    "`end` is missing": "`end`가 없습니다",
    "missing value for command": "명령에 값이 없습니다",
    "unterminated quoted string": "따옴표가 닫히지 않았습니다",
    "unclosed left paren": "괄호가 닫히지 않았습니다",
    "wrong arguments for `{function}`": "`{function}` 함수의 인자가 잘못되었습니다",
    "function `{function}` not defined": "`{function}` 함수는 없습니다",
    "undefined variable `{name}`": "`{name}` 변수는 정의되지 않았습니다",
}
