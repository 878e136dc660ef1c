"""Prometheus' text exposition format."""

from teul_model.metrics import Metrics


def test_requests_are_counted_by_route_and_status():
    metrics = Metrics('a"b', "1", 12.5)
    metrics.observe("infer", 200, 0.002, 3)
    metrics.observe("infer", 400, 20.0, 0)

    lines = metrics.to_text(in_flight=1, workers_ready=1, workers=2).splitlines()

    assert 'teul_model_info{model="a\\"b",version="1"} 1' in lines
    assert 'teul_model_requests_total{route="infer",status="200"} 1' in lines
    assert 'teul_model_request_seconds_bucket{route="infer",le="0.001"} 0' in lines
    assert 'teul_model_request_seconds_bucket{route="infer",le="0.0025"} 1' in lines
    assert 'teul_model_request_seconds_bucket{route="infer",le="+Inf"} 2' in lines
    assert 'teul_model_request_seconds_count{route="infer"} 2' in lines
    assert "teul_model_rows_total 3" in lines
    assert "process_start_time_seconds 12.500" in lines
