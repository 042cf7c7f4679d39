import torch
import conceptlab as cl


def test_thin():
    m = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    x = torch.randn(2, 4)
    y = m(x)
    r = cl.swap(m, "handmade")
    print(r)
    assert torch.allclose(m(x), y)
    with cl.use("naive") as used:
        m(x).relu()
    assert used.counts["relu"] == 1
    r.undo()
    assert type(m[0]) is torch.nn.Linear
    o = torch.optim.SGD(m.parameters(), lr=0.1)
    print(cl.swap(o, "handmade"))
